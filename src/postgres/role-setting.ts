/**
 * What may be set for the application's role, each with the first major version that has it. All of them are times that
 * any role may set for itself, so that the admin may set them for others.
 * Source: https://www.postgresql.org/docs/current/runtime-config-client.html
 */
export const roleSettings = {
  lock_timeout: 13,
  statement_timeout: 13,
  idle_in_transaction_session_timeout: 13,
  idle_session_timeout: 14,
  client_connection_check_interval: 14,
  transaction_timeout: 17,
} as const

/** The name of such a setting. */
export type RoleSettingName = keyof typeof roleSettings

/** A setting with the value it is to have, as PostgreSQL writes it: `5s`. */
export interface RoleSetting {
  readonly name: RoleSettingName
  readonly value: string
}

/** Says whether a text is one of these names. */
export function isRoleSettingName(text: string): text is RoleSettingName {
  return Object.hasOwn(roleSettings, text)
}

const unitMs: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** The units, as the hint of PostgreSQL has them. */
export const unitsHint = 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".'

/**
 * Returns what PostgreSQL makes of a value, in milliseconds, so that two of them can be compared; nothing for what it
 * refuses, or takes in a form that nobody writes by hand.
 * Source: parse_int and convert_to_base_unit in src/backend/utils/misc/guc.c
 */
export function settingMs(value: string): number | undefined {
  const [, amount, unit = 'ms'] = /^\s*(\d+(?:\.\d*)?)\s*([a-z]+)?\s*$/.exec(value) ?? []
  const milliseconds = Math.round(Number(amount) * (unitMs[unit] ?? Number.NaN))
  return milliseconds <= 2_147_483_647 ? milliseconds : undefined
}
