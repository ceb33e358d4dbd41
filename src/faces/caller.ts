/**
 * Holds what a start without certain variables took out of the environment, from there until a face begins. In the
 * environment itself, because neither a process that begins again nor a face that is loaded later shares anything else.
 */
const carrier = 'PG_APP_USER_INHERITED'

/** Returns an environment without some variables, which are kept in it for `environmentOfCaller`. */
export function withoutVariables(
  variables: NodeJS.ProcessEnv,
  names: readonly string[],
): Record<string, string | undefined> {
  if (names.length === 0) return variables
  const taken = { ...carried(variables), ...Object.fromEntries(names.map((name) => [name, variables[name]])) }
  const rest = Object.entries(variables).filter(([name]) => !names.includes(name))
  return { ...Object.fromEntries(rest), [carrier]: JSON.stringify(taken) }
}

/** Returns the environment as the caller of this process gave it, once: what a command is to be started with. */
export function environmentOfCaller(): NodeJS.ProcessEnv {
  const taken = carried(process.env)
  Reflect.deleteProperty(process.env, carrier)
  return { ...process.env, ...taken }
}

function carried(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  try {
    const taken: unknown = JSON.parse(variables[carrier] ?? '{}')
    return Object.fromEntries(
      Object.entries(taken ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    )
  } catch {
    return {}
  }
}
