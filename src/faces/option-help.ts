import type { Help, Option } from 'commander'
import { meaning, type NamedParameter, type ParameterName } from '../input/parameters.ts'

/** The options that most runs need, each in a line: what `--help` alone shows of the table of parameters. */
const brief: Partial<Record<ParameterName, string>> = {
  'access-secret': "the administrator's access Secret",
  'access-namespace': 'namespace of the access Secret',
  'app-database': 'database of the application',
  'app-namespace': 'namespace of the application Secret',
  'app-username': 'role of the application; default: as app-database',
  'app-secret': 'its Secret; default: app-postgresql-secret',
  'secret-format': 'further formats in the Secret: url, jdbc, dotnet',
  extensions: 'extensions to create',
  existing: 'adopt: take over a role or database made by hand',
  'dry-run': 'change nothing, show what would be done',
  kubeconfig: 'default: KUBECONFIG, then ~/.kube/config',
  context: 'context of the kubeconfig',
  via: 'port-forward (default), or direct in the cluster',
  'go-live': 'check for production: warn, enforce or auto',
  'go-live-profile': 'the plan that was ordered: standard, premium',
  'exec-timeout': 'how long the command may take, such as 30m',
  timeout: 'how long the run may take; default: 5m',
}

const requiredGroup = 'Required:'
/** The heading of what is about how a run is shown. */
export const outputGroup = 'Output:'

/** Options without a parameter behind them, each in the group of what it is about. */
const groupsOfOwn: Readonly<Record<string, string>> = {
  '--report-directory': 'Go-live gate:',
  '--go-live': 'Go-live gate:',
  '--gate-only': 'Go-live gate:',
  '--service-account': 'Who gets the rights:',
  '--user': 'Who gets the rights:',
  '--group': 'Who gets the rights:',
  '--issuer': 'Who gets the rights:',
  '--issuer-url': 'Who gets the rights:',
  '--repository-id': 'Who gets the rights:',
  '--project-id': 'Who gets the rights:',
  '--environment': 'Who gets the rights:',
  '--service': 'PostgreSQL:',
  '--yes': 'The run:',
}

/** Returns the heading under which help shows a parameter. */
export function groupOf({ name, required }: NamedParameter): string {
  if (required === true) return requiredGroup
  if (/^(go-live|release-)/.test(name)) return 'Go-live gate:'
  if (/^(kubeconfig|context|api-server|expect-)/.test(name)) return 'Cluster:'
  if (/^(access-|ssl-|via$)/.test(name)) return 'PostgreSQL:'
  return /^(dry-run|exec-|timeout|unproven)/.test(name) ? 'The run:' : 'Application:'
}

/** Returns parameters as help shows them: what is required first, then group by group. */
export function grouped(parameters: readonly NamedParameter[]): readonly NamedParameter[] {
  const order = [requiredGroup, 'Application:', 'Cluster:', 'PostgreSQL:', 'Go-live gate:']
  const rank = (parameter: NamedParameter): number =>
    (order.indexOf(groupOf(parameter)) + 1 || order.length + 1) * 2 +
    (parameter.name === 'app-namespace' && parameter.required !== true ? 0 : 1)
  return parameters.toSorted((one, other) => rank(one) - rank(other))
}

/** Returns the heading under which help shows an option that has no parameter behind it. */
export function groupOfOption({ long }: Option): string {
  return groupsOfOwn[long ?? ''] ?? outputGroup
}

/** Returns what a parameter means, as plain text. */
export function plainMeaning(parameter: NamedParameter): string {
  return meaning(parameter).replace('**Required.**', 'Required.').replaceAll('`', '')
}

/** Returns whether `--help` alone shows an option. What has no parameter behind it is short already. */
export function isBrief(option: Option): boolean {
  return option.envVar === undefined || option.name() === 'verbose' || option.name() in brief
}

/** Returns what an option is for, in a line. */
export function briefOf(option: Option): string {
  const line = option.envVar === undefined ? undefined : briefs[option.name()]
  return line ?? option.description
}

const briefs: Readonly<Record<string, string | undefined>> = brief

/**
 * Returns how help is shown: in lines, or with all that holds and the variable.
 *
 * @param all whether every option was asked for
 */
export function helpStyle(all: boolean): Partial<Help> {
  if (!all) return { optionDescription: briefOf }
  return {
    optionDescription: ({ description, envVar }) =>
      envVar === undefined ? description : `${description} (${envVar})`,
  }
}
