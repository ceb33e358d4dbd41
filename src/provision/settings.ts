import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { numbered, sentence } from '../lib/text.ts'
import { roleSettings, settingMs } from '../postgres/role-setting.ts'
import type { ServerState } from '../postgres/state.ts'
import type { Change } from './change.ts'
import { notAlterable, quoted } from './refusals.ts'
import type { Wanted } from './wanted.ts'

/**
 * Returns which settings the role is to be given. They count in the application's database alone, where they win over
 * what the role has elsewhere; one that has the wanted value by now, however it is written, stays.
 *
 * @throws Failure `input-invalid` for a setting that this server does not have, `admin-option-missing` and
 *   `admin-rights-missing` where the admin may not set it
 */
export function decideSettings(server: ServerState, wanted: Wanted): readonly Change[] {
  const { admin, role, version, versionNumber } = server
  const major = Math.floor(versionNumber / 10_000)
  const unknown = wanted.settings.filter(({ name }) => roleSettings[name] > major)
  if (unknown.length > 0) {
    throw new Failure(
      'input-invalid',
      `PostgreSQL ${version} has no ${numbered('setting', unknown.length)} ${sentence(unknown.map(({ name }) => quoted(name)))}, which ${input('role-settings')} names.`,
      [
        `${sentence(unknown.map(({ name }) => `${name} came with ${roleSettings[name]}`))}: leave ${unknown.length === 1 ? 'it' : 'them'} out until then.`,
      ],
    )
  }
  const changes = wanted.settings.flatMap(({ name, value }): readonly Change[] => {
    const from = role?.settings[name]
    const same = from !== undefined && settingMs(from) === settingMs(value)
    return same ? [] : [{ kind: 'set-setting', name, value, ...(from !== undefined && { from }) }]
  })
  const superior = role?.dangers.includes('SUPERUSER') === true && !admin.superuser
  if (changes.length > 0 && role !== undefined && (!role.alterable || superior))
    throw notAlterable(server, wanted)
  return changes
}
