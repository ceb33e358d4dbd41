import { list, record, text, type Fields } from '../kubernetes/fields.ts'
import type { Failure } from '../lib/failure.ts'
import { numbered, oneLine, sentence } from '../lib/text.ts'
import { credentialsOf } from './credentials.ts'
import { invalid } from './failure.ts'
import { unlike } from './likeness.ts'
import { kubeconfigText } from './text.ts'
import { readYaml } from './yaml.ts'

/** Told every credential at the moment it is decoded. */
export type Mask = (credential: string) => void

/** One named entry, and the folder that its relative paths start from. */
export interface Entry {
  readonly fields: Fields
  readonly folder: string
}

/** What a kubeconfig names, or several of them together. */
export interface Kubeconfig {
  readonly contexts: Map<string, Entry>
  readonly clusters: Map<string, Entry>
  readonly users: Map<string, Entry>
  readonly current: string | undefined
}

/**
 * Returns the kubeconfig that a text is, directly or in base64. Every credential in it is masked before anything else is
 * done with it.
 *
 * @param where the text stands, such as `it is`
 * @throws Failure `kubeconfig-invalid`
 */
export function parseKubeconfig(
  content: string,
  source: string,
  where: string,
  folder: string,
  mask: Mask,
): Kubeconfig {
  const written = kubeconfigText(content) ?? content
  const said = readYaml(written, source)
  const fields = record(said)
  for (const credential of credentialsOf(fields)) mask(credential)
  refuseOther(fields, content, where, source)
  return {
    contexts: entriesOf(fields, 'contexts', 'context', folder, source),
    clusters: entriesOf(fields, 'clusters', 'cluster', folder, source),
    users: entriesOf(fields, 'users', 'user', folder, source),
    current: text(fields, 'current-context') || undefined,
  }
}

const parts = ['clusters', 'contexts', 'users', 'current-context']

/** What has another kind or version is none; what has neither is one if it says anything that a kubeconfig says. */
function refuseOther(fields: Fields, content: string, where: string, source: string): void {
  const [kind, version] = [text(fields, 'kind'), text(fields, 'apiVersion')]
  if ('sops' in fields) {
    throw invalid(source, `${where} a kubeconfig that SOPS has encrypted`, [
      'Decrypt it before this step: sops --decrypt FILE.',
    ])
  }
  if (kind !== '' && kind !== 'Config') {
    throw invalid(
      source,
      `${where} a manifest of kind ${oneLine(kind, 60)}, not a kubeconfig (kind Config)`,
      [
        kind === 'Secret'
          ? "A Secret may hold one. Cluster API keeps it in key value: kubectl get secret NAME -o jsonpath='{.data.value}' | base64 -d"
          : 'Store the kubeconfig itself.',
      ],
    )
  }
  if (version !== '' && version !== 'v1') {
    throw invalid(source, `${where} a text of apiVersion ${oneLine(version, 60)}, and a kubeconfig is of v1`)
  }
  if (kind === 'Config' || parts.some((part) => part in fields)) return
  const inner = fieldWithin(fields)
  if (inner !== undefined) {
    throw invalid(source, `${where} an answer that has the kubeconfig in its field ${oneLine(inner, 60)}`, [
      `Store the content of that field alone, for example with jq -r .${oneLine(inner, 60)}`,
    ])
  }
  throw unlike(source, where, content, {
    what: 'neither a kubeconfig nor base64 of one',
    cause:
      version === ''
        ? 'A frequent cause is a download or an earlier step that failed and left its error message in place of the file.'
        : 'It has neither clusters nor contexts.',
  })
}

/** Returns the path of the field that holds a kubeconfig as a text, as APIs and tools answer with it. */
function fieldWithin(fields: Fields, depth = 0): string | undefined {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string' && kubeconfigText(value) !== undefined) return name
    const inner = depth < 3 ? fieldWithin(record(value), depth + 1) : undefined
    if (inner !== undefined) return `${name}.${inner}`
  }
  return undefined
}

/** Returns the entries of a list by their names. Which of two of a name is meant, nobody can know. */
function entriesOf(
  fields: Fields,
  key: string,
  body: string,
  folder: string,
  source: string,
): Map<string, Entry> {
  const value = fields[key] ?? []
  if (!Array.isArray(value)) throw invalid(source, `its ${key} are no list`)
  const entries = new Map<string, Entry>()
  const twice = new Set<string>()
  for (const entry of list(value).map(record)) {
    const name = text(entry, 'name')
    if (entries.has(name)) twice.add(name)
    entries.set(name, { fields: record(entry[body]), folder })
  }
  if (twice.size > 0) throw duplicate(key, [...twice], source)
  return entries
}

function duplicate(key: string, names: readonly string[], source: string): Failure {
  const shown = sentence(names.map((name) => `"${oneLine(name)}"`))
  return invalid(source, `several of its ${key} share the ${numbered('name', names.length)} ${shown}`, [
    'It is not known which one is meant, and the wrong one may be another cluster or another user.',
    'Remove or rename the others.',
  ])
}
