import type { ParameterName } from '../../input/parameters.ts'
import { input, inputs, setting, spoken } from '../../lib/spelling.ts'
import { count, oneLine, sentence } from '../../lib/text.ts'
import type { Judgement } from '../finding.ts'
import type { Observations } from '../observations.ts'
import { queries } from '../observe-sql.ts'
import { apiEvidence, sqlEvidence } from './words.ts'

/** `app-user`: the application has a role of its own. */
export function judgeApplicationUser(observed: Observations): Judgement {
  const { loginRefused, secret, secretRef, server } = observed
  const { sessions } = observed.sql
  const wanted = 'a role of its own'
  const user = secret?.values.PGUSER
  const evidence = [
    apiEvidence(
      observed,
      `Secret ${secretRef}`,
      secret === undefined ? 'there is none' : `PGUSER ${user ?? 'missing'}`,
    ),
    sqlEvidence(
      observed,
      queries.sessions,
      'hidden' in sessions
        ? sessions.hidden
        : `${count(sessions.value.admin.length, 'other session')} of the admin`,
    ),
    observed.login,
  ]
  if (secret === undefined || user === undefined) {
    return {
      verdict: 'not met',
      wanted,
      seen: `${secretRef} ${secret === undefined ? 'does not exist' : 'holds no PGUSER'}`,
      remedy: `provision it: ${spoken().provisioning}`,
      evidence,
    }
  }
  if (user === server.admin.name) {
    return {
      verdict: 'not met',
      wanted,
      seen: `${secretRef} holds the admin "${user}"`,
      remedy: 'give the application a user of its own',
      evidence,
    }
  }
  if (loginRefused !== undefined) {
    return {
      verdict: 'not met',
      wanted,
      seen: `${secretRef} does not let it log in: ${loginRefused}`,
      remedy: `${spoken().provisioning} puts it right, or says why it cannot`,
      evidence,
    }
  }
  const host = secret.values.PGHOST
  if (host !== undefined && !isSameHost(host, observed)) {
    const another = anotherNamed(secretRef, host, observed.host, 'access-secret')
    const remedy = `${inputs('access-secret', 'access-host')}, or another ${spoken().name('app-secret')}`
    return { ...another, remedy, wanted, evidence }
  }
  const others = 'hidden' in sessions ? [] : sessions.value.admin
  const names = [
    ...new Set(others.map((name) => (name === '' ? 'without a name' : `"${oneLine(name, 40)}"`))),
  ]
  const warnings =
    others.length > 0
      ? [
          `${count(others.length, 'other session')} of the admin ${others.length === 1 ? 'is' : 'are'} open: ${sentence(names.slice(0, 3))}`,
        ]
      : []
  return { verdict: 'met', wanted, seen: `it uses "${user}"`, evidence, warnings }
}

/** Says whether a Secret names the server that was looked at: names in a cluster have short forms, one within a namespace. */
function isSameHost(named: string, { host, secretRef }: Observations): boolean {
  const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '')
  const [one, other] = [plain(named), plain(host)] as const
  if (one === other) return true
  const [short, long] = one.length < other.length ? [one, other] : [other, one]
  const [, namespace] = long.split('.')
  return long.startsWith(`${short}.`) && (short.includes('.') || secretRef.startsWith(`${namespace ?? ''}/`))
}

/** `role-attributes`: its role can do no more than its grants say. */
export function judgeRoleAttributes(observed: Observations): Judgement {
  const { secret, secretRef, server, username } = observed
  const wanted = 'no dangerous attribute'
  const { role } = server
  const named = secret?.values.PGUSER ?? username
  const evidence = [
    sqlEvidence(
      observed,
      `select * from pg_roles where rolname = '${oneLine(username, 63)}'`,
      role === undefined ? 'no row' : role.dangers.join(', ') || 'nothing dangerous',
    ),
    observed.login,
  ]
  if (named !== username) {
    return { ...anotherNamed(secretRef, named, username, 'app-username'), wanted, evidence }
  }
  if (role === undefined)
    return {
      verdict: 'not met',
      wanted,
      seen: `role "${username}" does not exist`,
      remedy: 'provision it',
      evidence,
    }
  if (role.dangers.length > 0) {
    return {
      verdict: 'not met',
      wanted,
      seen: `"${username}" is or has: ${sentence(role.dangers)}`,
      remedy: 'take it away, or give the application another role',
      evidence,
    }
  }
  if (!role.canLogin || role.expired) {
    return {
      verdict: 'not met',
      wanted,
      seen: `"${username}" ${role.canLogin ? 'has expired' : 'may not log in'}`,
      remedy: 'let it log in',
      evidence,
    }
  }
  return {
    verdict: 'met',
    wanted,
    seen: `"${username}" may log in, and has only its granted rights`,
    evidence,
  }
}

/** `public-connect`: nobody connects to the database without a grant. */
export function judgePublicConnect(observed: Observations): Judgement {
  const { secret, secretRef, server, database } = observed
  const wanted = 'no CONNECT for PUBLIC'
  const found = server.database
  const named = secret?.values.PGDATABASE ?? database
  const evidence = [
    sqlEvidence(
      observed,
      `select datacl from pg_database where datname = '${oneLine(database, 63)}'`,
      found === undefined ? 'no row' : `PUBLIC ${found.publicConnects ? 'has' : 'has no'} CONNECT`,
    ),
  ]
  if (named !== database) {
    return { ...anotherNamed(secretRef, named, database, 'app-database'), wanted, evidence }
  }
  if (found === undefined)
    return {
      verdict: 'not met',
      wanted,
      seen: `database "${database}" does not exist`,
      remedy: 'provision it',
      evidence,
    }
  if (found.publicConnects) {
    return {
      verdict: 'not met',
      wanted,
      seen: 'every role may connect',
      remedy: 'REVOKE CONNECT ON DATABASE … FROM PUBLIC, once all who need it have a grant',
      evidence,
    }
  }
  return { verdict: 'met', wanted, seen: 'only roles with a grant may connect', evidence }
}

/** Where the Secret is for something else than what this run looks at, nothing is known about what it is for. */
function anotherNamed(
  secretRef: string,
  named: string,
  looked: string,
  parameter: ParameterName,
): Pick<Judgement, 'verdict' | 'seen' | 'remedy'> {
  return {
    verdict: 'unknown',
    seen: `${secretRef} holds "${oneLine(named, 63)}", and "${looked}" was looked at`,
    remedy: `${input(parameter)}, or another ${spoken().name('app-secret')}`,
  }
}

/** `tls`: the application insists on TLS, and the server offers it. */
export function judgeTls(observed: Observations): Judgement {
  const { secret, secretRef, sql } = observed
  const wanted = 'PGSSLMODE that insists on TLS'
  const mode = secret?.values.PGSSLMODE
  const evidence = [
    apiEvidence(observed, `Secret ${secretRef}`, `PGSSLMODE ${mode ?? 'missing'}`),
    sqlEvidence(observed, queries.tls, sql.tls ? 'on' : 'off'),
  ]
  if (!sql.tls)
    return {
      verdict: 'not met',
      wanted,
      seen: 'the server offers no TLS',
      remedy: 'ask the administrator to turn it on',
      evidence,
    }
  if (mode !== undefined && ['require', 'verify-ca', 'verify-full', 'no-verify'].includes(mode)) {
    const weak = mode === 'verify-full' ? '' : ', which encrypts but does not verify the host'
    return { verdict: 'met', wanted, seen: `${mode}${weak}`, evidence }
  }
  return {
    verdict: 'not met',
    wanted,
    seen:
      mode === undefined
        ? `${secretRef} holds no PGSSLMODE`
        : `${oneLine(mode, 40)}, which may go on without TLS`,
    remedy: `set ${setting('app-sslmode', 'require')}`,
    evidence,
  }
}
