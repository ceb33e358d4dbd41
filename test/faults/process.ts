import { once } from 'node:events'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { ProvisionRequest } from '../../src/input/request.ts'
import { startAction, type ActionRun, type ActionSetting } from '../process/action.ts'

/** The built action as a process of its own. */
export interface Process {
  readonly pid: number
  /** Resolves when it has ended, in whatever way. */
  readonly ended: Promise<ActionRun>
  /** Ends it as the kernel does, and resolves when it has ended. */
  readonly kill: () => Promise<void>
}

/** Starts the built action with what a request says. */
export async function startProcess(
  sandbox: Sandbox,
  request: ProvisionRequest,
  setting: ActionSetting = {},
): Promise<Process> {
  const { child, ended } = await startAction({
    ...setting,
    env: { GITHUB_REF_NAME: request.appUsername, ...setting.env },
    inputs: { ...inputsOf(sandbox, request), ...setting.inputs },
  })
  return {
    pid: child.pid ?? 0,
    ended,
    kill: async () => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

/** Gives the inputs of the action that come to this request. */
function inputsOf(
  { kubeconfig }: Pick<Sandbox, 'kubeconfig'>,
  request: ProvisionRequest,
): NonNullable<ActionSetting['inputs']> {
  return {
    kubeconfig: request.kubeconfig.input ?? kubeconfig,
    'access-secret': request.accessSecret,
    'access-namespace': request.accessNamespace,
    'app-database': request.appDatabase,
    'app-username': request.appUsername,
    'app-secret': request.appSecret,
    'app-namespace': request.appNamespace ?? '',
    'app-sslmode': request.appSslMode ?? '',
    'database-owner': request.databaseOwner ?? '',
    extensions: request.extensions.join('\n'),
    'secret-format': request.secretFormats.join('\n'),
    'connect-roles': request.connectRoles.join('\n'),
    'role-settings': request.roleSettings.map(({ name, value }) => `${name}=${value}`).join('\n'),
    existing: request.existing,
    unproven: request.unproven,
    'dry-run': String(request.dryRun),
    timeout: `${Math.ceil(request.timeoutMs / 1000)}s`,
  }
}
