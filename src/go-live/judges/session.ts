import { input, setting } from '../../lib/spelling.ts'
import { count, sentence, utc } from '../../lib/text.ts'
import { dayMs } from '../../lib/units.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import { weighInside } from './weigh.ts'

const wantedTimeouts = ['idle_in_transaction_session_timeout', 'lock_timeout'] as const

/** `timeouts`: a session of the application neither waits for a lock nor holds one for ever. */
export function judgeTimeouts(observed: Observations): Judgement {
  const topic = {
    query: `select name, reset_val from pg_settings where name in (${wantedTimeouts.map((name) => `'${name}'`).join(', ')})`,
    wanted: `${sentence(wantedTimeouts)} above 0`,
  }
  return weighInside(
    observed,
    topic,
    ({ timeouts }) => timeouts,
    (timeouts) => {
      const words = Object.entries(timeouts)
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .map(([name, milliseconds]) => `${name} ${milliseconds === 0 ? 'off' : `${milliseconds / 1000} s`}`)
      const answer = words.join(', ')
      const off = wantedTimeouts.filter((name) => (timeouts[name] ?? 0) === 0)
      const { statement_timeout: statement = 0 } = timeouts
      const warnings =
        statement === 0
          ? []
          : [`statement_timeout ends every statement, those of migrations too, after ${statement / 1000} s`]
      if (off.length === 0) return { verdict: 'met', seen: answer, answer, warnings }
      return {
        verdict: 'not met',
        seen: `${sentence(off)} ${off.length === 1 ? 'is' : 'are'} off`,
        remedy: `set ${setting(
          'role-settings',
          off.map((name) => `${name}=${name === 'lock_timeout' ? '5s' : '1min'}`).join(', '),
        )}`,
        answer,
        warnings,
      }
    },
  )
}

/** `sessions-encrypted`: what is open now, and not only what the Secret asks for. */
export function judgeSessionsEncrypted(observed: Observations): Judgement {
  const topic = {
    query: 'select usename, client_addr, ssl from pg_stat_activity join pg_stat_ssl using (pid)',
    wanted: 'TLS for every one that is open',
  }
  return weighInside(
    observed,
    topic,
    ({ sessions }) => sessions,
    ({ open, plain, from, local, hidden }) => {
      const answer = `${count(open, 'session')}: ${plain} in clear text, ${local} over a Unix socket, ${hidden} hidden`
      if (open === 0) return { verdict: 'not applicable', seen: 'none is open', answer }
      if (plain > 0) {
        return {
          verdict: 'not met',
          seen: `${plain} of ${count(open, 'session')} in clear text, from ${sentence(from)}`,
          remedy:
            "PGSSLMODE=require or stronger in whatever connects from there; hostssl in pg_hba.conf is the administrator's",
          answer,
        }
      }
      if (hidden > 0) {
        const remedy = 'let the login act as itself: ALTER ROLE … RESET role'
        return {
          verdict: 'unknown',
          seen: `no permission to see ${hidden} of ${count(open, 'session')}`,
          remedy,
          answer,
        }
      }
      const socket = local > 0 ? `, ${local} over a Unix socket` : ''
      return { verdict: 'met', seen: `${count(open, 'session')}, none in clear text${socket}`, answer }
    },
  )
}

/** `certificate`: it does not end soon, and clients may insist on it. */
export function judgeCertificate(observed: Observations, { thresholds }: Rules): Judgement {
  const { at, certificate } = observed
  const least = thresholds.minCertificateDays
  const wanted = `valid for at least ${count(least, 'day')}, and passes verify-full`
  const query = 'the certificate in the handshake of TLS'
  const outcome = (verdict: Judgement['verdict'], seen: string, answer: string, remedy = ''): Judgement => ({
    verdict,
    wanted,
    seen,
    remedy,
    evidence: [{ query, answer, at }],
  })
  if (certificate === undefined) return outcome('not applicable', 'the server offers no TLS', 'no TLS')
  if ('hidden' in certificate) return outcome('unknown', certificate.hidden, certificate.hidden, 'run again')
  const { ends, names, issuer, checked, refused } = certificate.value
  const left = Math.floor((ends.getTime() - at.getTime()) / dayMs)
  const ending =
    left < 0 ? `ended on ${utc(ends)}` : left === 0 ? 'ends within a day' : `ends in ${count(left, 'day')}`
  const verdict = refused === undefined ? 'it passes verify-full' : `verify-full refuses it: ${refused}`
  const answer = `${names}; by ${issuer}; until ${utc(ends)}; ${checked ? verdict : 'no CA certificate to check it with'}`
  if (ends.getTime() - at.getTime() < least * dayMs) {
    return outcome(
      'not met',
      `it ${ending}`,
      answer,
      'ask the administrator to renew it, and ask why it was not renewed automatically',
    )
  }
  if (!checked) {
    const remedy = `ask the administrator for the CA certificate, and set ${input('ssl-root-cert')}; or attest it`
    return outcome(
      'unknown',
      `it ${ending}; without the CA certificate, verify-full cannot be checked`,
      answer,
      remedy,
    )
  }
  if (refused !== undefined) {
    const remedy = `check ${input('ssl-root-cert')} and ca.crt; ask the administrator for a certificate of this host`
    return outcome('not met', verdict, answer, remedy)
  }
  return outcome('met', `it ${ending}; ${verdict}`, answer)
}
