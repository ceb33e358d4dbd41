import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { escapedSigns, writtenForms } from '../support/canary.ts'
import { changed, inputsFor, runAction, type ActionRun } from './action.ts'
import { optionsFor, runCommand, startOnTerminal, type CommandRun } from './command.ts'

// A credential that the API server repeats in everything that it says, in every form: each face shows that something was
// said, and with what else, and the credential on none.

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

const secret = `Kq7${escapedSigns}9Zt`

/** What an API server says, and what of it may be shown. */
interface Echo {
  readonly said: string
  readonly shown: string
}

/** Every form of the credential behind a number of its own, in texts that are shown whole. */
const echoes = [...new Set(writtenForms(secret))].reduce<readonly Echo[]>((packed, form, index) => {
  const number = `echo${index} `
  const { said, shown } = packed.at(-1) ?? { said: '', shown: '' }
  const fits = said !== '' && said.length + number.length + form.length + 2 <= 270
  const next = { said: `${number}${form} .`, shown: `${number}*** .` }
  if (!fits) return [...packed, next]
  return [...packed.slice(0, -1), { said: `${said} ${next.said}`, shown: `${shown} ${next.shown}` }]
}, [])

/** What the gate reads that may be refused, and is evidence then. */
const refusable =
  /^\/api\/v1\/nodes\/|\/(postgresqls|cronjobs)\/|\/(jobs|deployments)$|^application=spilo-logical-backup/

/** Lets the API server say the first as the name of the user, and the others as it refuses what the gate reads. */
async function whileSaid<Result>(
  [name, ...others]: readonly Echo[],
  work: () => Promise<Result>,
): Promise<Result> {
  let next = 0
  const undo = sandbox.api.intercept(({ path, query }) => {
    if (path.endsWith('/selfsubjectreviews')) {
      return { status: 201, body: { status: { userInfo: { username: name?.said } } } }
    }
    if (!refusable.test(path) && !refusable.test(query.get('labelSelector') ?? '')) return undefined
    const echo = others[next++ % others.length]
    return { status: 422, body: { kind: 'Status', message: echo?.said, code: 422 } }
  })
  try {
    return await work()
  } finally {
    undo()
  }
}

/** With another user beside the one that is used, whose password is the credential. */
function kubeconfig(password = secret): string {
  return changed(sandbox.kubeconfig, ({ users }) => {
    users.push({ name: 'another', user: { username: 'kim', password } })
  })
}

/** As many as one run hears: the name is one, and what is refused the others. */
const atOnce = 7

/** Gives as many texts as one run hears, from one of them on. */
function from(first: number): readonly Echo[] {
  return [...echoes.slice(first), ...echoes].slice(0, atOnce)
}

const every = [...echoes.keys()]
const rounds = every.filter((first) => first % atOnce === 0)

/** Which of the texts do not show on a face, whose format may write the blank in its own way. */
function absent(face: string | undefined, said: readonly Echo[], blank = '***'): readonly string[] {
  return said
    .map(({ shown }) => shown.replaceAll('***', blank))
    .filter((shown) => face?.includes(shown) !== true)
}

/** The files of a report that show all that was seen, and that which shows who is to get rights. */
const reports = ['go-live.html', 'go-live.json', 'go-live.xml']
const roles = 'rights.yaml'
const written = ['attest.yaml', ...reports, roles]
const gateOptions = ['--go-live=warn', '--go-live-profile=premium', '--report-directory=report', '--verbose']

async function act(said: readonly Echo[], password?: string): Promise<ActionRun> {
  const inputs = {
    ...inputsFor(sandbox, 'echo'),
    kubeconfig: kubeconfig(password),
    'go-live': 'warn',
    'go-live-profile': 'premium',
    provision: 'false',
  }
  return await whileSaid(said, () =>
    runAction({ sandbox, inputs, env: { RUNNER_DEBUG: '1' }, secrets: [secret] }),
  )
}

async function actInGitlab(said: readonly Echo[], password?: string): Promise<CommandRun> {
  const args = ['go-live', ...optionsFor(sandbox, 'echo'), ...gateOptions, '--output=json']
  const env = { KUBECONFIG: kubeconfig(password), CI: 'true', GITLAB_CI: 'true' }
  return await whileSaid(said, () => runCommand({ sandbox, args, env, secrets: [secret] }))
}

async function actOnTerminal(said: readonly Echo[], password?: string): Promise<CommandRun> {
  const args = ['go-live', ...optionsFor(sandbox, 'echo'), ...gateOptions]
  const env = { KUBECONFIG: kubeconfig(password) }
  return await whileSaid(
    said,
    async () => await startOnTerminal({ sandbox, args, env, secrets: [secret] }).ended,
  )
}

// That the credential is nowhere is what every run here is searched for; that all the rest came is said here.
describe('a credential that an API server repeats in every form, while all else arrives, is not in', () => {
  test.each(rounds)('log, summary and reports of the action: from %d on', async (first) => {
    const said = from(first)
    const run = await act(said)
    expect(run.code).toBe(0)
    expect(absent(run.log, said)).toEqual([])
    expect(absent(run.summary, said.slice(0, 1))).toEqual([])
    expect(absent(run.summary, said.slice(1), '&#42;&#42;&#42;')).toEqual([])
    expect(Object.keys(run.reports).sort()).toEqual(written)
    expect(absent(run.reports[roles], said.slice(0, 1))).toEqual([])
    for (const file of reports) {
      expect([file, absent(run.reports[file], said.slice(1))]).toEqual([file, []])
    }
  })

  test.each(every)('log, JSON and reports of a job in GitLab: from %d on', async (first) => {
    const said = from(first)
    const { code, stdout, stderr, files } = await actInGitlab(said)
    expect(code).toBe(0)
    expect(absent(stderr, said)).toEqual([])
    expect(absent(files[`report/${roles}`], said.slice(0, 1))).toEqual([])
    expect(absent(JSON.stringify(JSON.parse(stdout)), said.slice(1))).toEqual([])
    expect(Object.keys(files)).toHaveLength(written.length)
    for (const file of reports) {
      expect([file, absent(files[`report/${file}`], said.slice(1))]).toEqual([file, []])
    }
  })

  test.each(rounds)('what a terminal shows: from %d on', async (first) => {
    const said = from(first)
    const { code, stdout } = await actOnTerminal(said)
    expect(code).toBe(0)
    expect(absent(stdout, said)).toEqual([])
  })
})

describe('the search finds a credential that nobody told the tool of', () => {
  const stranger = 'the password of somebody else'

  /** The places where it was found, as they are named. */
  async function foundIn(run: Promise<unknown>): Promise<readonly string[]> {
    const message = await run.then(
      () => '',
      (error: unknown) => String(error),
    )
    return [...message.matchAll(/^(?:Error: )?(?:.*\/)?(\S+), after "/gm)]
      .map(([, place = '']) => place)
      .sort()
  }

  test('on every face of the action', async () => {
    expect(await foundIn(act(from(0), stranger))).toEqual([...reports, roles, 'stdout', 'summary'])
  })

  test('on every face of a job in GitLab', async () => {
    expect(await foundIn(actInGitlab(from(0), stranger))).toEqual([...reports, roles, 'stderr', 'stdout'])
  })

  test('on a terminal', async () => {
    expect(await foundIn(actOnTerminal(from(0), stranger))).toEqual([...reports, roles, 'stdout'])
  })
})
