import { didYouMean } from '../lib/nearest.ts'
import { oneLine } from '../lib/text.ts'
import {
  isRoleSettingName,
  roleSettings,
  settingMs,
  unitsHint,
  type RoleSetting,
} from '../postgres/role-setting.ts'

/**
 * Reads settings of a role, `lock_timeout=5s`, each with a value that PostgreSQL takes: a wrong one is said in its words
 * before anything is done.
 */
export function parseRoleSettings(
  items: readonly string[],
): { readonly value: readonly RoleSetting[] } | { readonly problem: string } {
  const found = new Map<string, RoleSetting>()
  for (const item of items) {
    const [, name = '', value = ''] = /^([^=]*?)\s*=\s*(.*)$/.exec(item) ?? []
    if (name === '') return { problem: `${shown(item)} is no setting with its value: write lock_timeout=5s` }
    if (!isRoleSettingName(name)) {
      const names = Object.keys(roleSettings)
      return { problem: `${shown(name)} is none of ${names.join(', ')}${didYouMean(name, names)}` }
    }
    if (settingMs(value) === undefined) {
      return { problem: `has an invalid value for parameter "${name}": ${shown(value)}. ${unitsHint}` }
    }
    if (found.has(name)) return { problem: `names "${name}" twice` }
    found.set(name, { name, value })
  }
  return { value: [...found.values()] }
}

function shown(text: string): string {
  return `"${oneLine(text, 80)}"`
}
