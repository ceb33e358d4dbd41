import { isScalar, parseDocument, visit, type Document } from 'yaml'
import { list, record, text, type Fields } from '../kubernetes/fields.ts'
import { credentialsOf } from './credentials.ts'
import { invalid } from './failure.ts'
import { kubeconfigText } from './text.ts'

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
  current: string | undefined
}

/**
 * Returns the kubeconfig that a text is, directly or in base64; `undefined` for any other text. Every credential in it
 * is masked before anything else is done with it.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function parseKubeconfig(
  content: string,
  source: string,
  folder: string,
  mask: Mask,
): Kubeconfig | undefined {
  const written = kubeconfigText(content)
  const fields = written === undefined ? undefined : yamlFields(written, source)
  if (fields === undefined) return undefined
  for (const credential of credentialsOf(fields)) mask(credential)
  const entries = (key: string, body: string): Map<string, Entry> =>
    new Map(
      list(fields[key])
        .map(record)
        .filter((entry) => text(entry, 'name') !== '')
        .map((entry) => [text(entry, 'name'), { fields: record(entry[body]), folder }]),
    )
  return {
    contexts: entries('contexts', 'context'),
    clusters: entries('clusters', 'cluster'),
    users: entries('users', 'user'),
    current: text(fields, 'current-context') || undefined,
  }
}

/** Returns the fields of a text that reads as a kubeconfig. */
function yamlFields(content: string, source: string): Fields | undefined {
  const document = parseDocument(content, { logLevel: 'silent' })
  const [problem] = document.errors
  if (problem !== undefined) {
    // The parser's own message repeats the line, which may be a credential.
    const line = problem.linePos?.[0].line
    throw invalid(source, `it is no valid YAML${line === undefined ? '' : ` (line ${line})`}`, [
      'A frequent cause is an indentation that was lost on the way into a variable or a secret: store it in base64.',
    ])
  }
  // kubectl reads a password or a name of digits as text, as it was written.
  visit(document, {
    Scalar: (_, node) => {
      if (isScalar(node) && typeof node.value === 'number') node.value = node.source ?? String(node.value)
    },
  })
  const fields = record(plain(document, source))
  return Array.isArray(fields['clusters']) || Array.isArray(fields['contexts']) ? fields : undefined
}

function plain(document: Document.Parsed, source: string): unknown {
  try {
    return document.toJS() as unknown
  } catch {
    throw invalid(source, 'one of its YAML aliases leads nowhere, or there are far too many of them')
  }
}
