import type { KubeObject } from './object.ts'
import type { Resource } from './resources.ts'
import { badRequest } from './status.ts'

const key = '[\\w./-]+'
const requirement = new RegExp(
  `^(?:(?<absent>!)?(?<alone>${key})|(?<key>${key})\\s*(?<sign>==?|!=)\\s*(?<value>[\\w.-]*)` +
    `|(?<member>${key})\\s+(?<set>in|notin)\\s*\\((?<values>[\\w.,\\s-]*)\\))$`,
)

/** Says whether the object's labels satisfy a selector: `a=b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a`, `!a`. */
export function matchesLabels(object: KubeObject, selector: string | undefined): boolean {
  const labels = object.metadata.labels ?? {}
  return requirementsOf(selector).every((text) => {
    const found = requirement.exec(text)?.groups
    if (!found) throw badRequest(`unable to parse requirement: ${text}`)
    const { absent, alone, key = '', sign, value, member = '', set, values = '' } = found
    if (alone !== undefined) return alone in labels !== (absent !== undefined)
    if (sign !== undefined) return (labels[key] === value) !== (sign === '!=')
    const wanted = values.split(',').map((each) => each.trim())
    return wanted.includes(labels[member] ?? '\0') === (set === 'in')
  })
}

const podFields = ['spec.nodeName', 'status.phase', 'status.podIP']

/** Says whether the object's fields satisfy a selector of `=`, `==` and `!=`. Only some fields can be asked for. */
export function matchesFields(object: KubeObject, resource: Resource, selector: string | undefined): boolean {
  const known = ['metadata.name', 'metadata.namespace', ...(resource.kind === 'Pod' ? podFields : [])]
  return requirementsOf(selector).every((text) => {
    const [, path = '', sign, wanted = ''] = /^([\w.]+)\s*(==?|!=)\s*(.*)$/.exec(text) ?? []
    if (!known.includes(path)) throw badRequest(`field label not supported: ${path || text}`)
    const value = path
      .split('.')
      .reduce<unknown>((part, field) => (part as Record<string, unknown> | undefined)?.[field], object)
    return ((value ?? '') === wanted) !== (sign === '!=')
  })
}

/** Gives the name that a field selector pins down; RBAC treats such a list like access by name. */
export function nameInFields(selector: string | undefined): string | undefined {
  return requirementsOf(selector)
    .map((text) => /^metadata\.name\s*==?\s*(.+)$/.exec(text)?.[1])
    .find((name) => name !== undefined)
}

/** Splits at the commas outside parentheses. */
function requirementsOf(selector = ''): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map((text) => text.trim())
    .filter((text) => text !== '')
}
