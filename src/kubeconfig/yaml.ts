import { isScalar, parseAllDocuments, visit, type Document, type YAMLError } from 'yaml'
import type { Failure } from '../lib/failure.ts'
import { invalid } from './failure.ts'
import { likenessOf, unlike } from './likeness.ts'

/**
 * Returns what a YAML or JSON text says, as kubectl reads it: with merge keys, with yes and on as truth values, and with
 * digits as they are written. `undefined` where it says nothing.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function readYaml(content: string, source: string): unknown {
  const all = parseAllDocuments(content, {
    logLevel: 'silent',
    merge: true,
    customTags: (tags) => [...tags, truth],
  })
  if ('empty' in all) return undefined
  const problem = all.flatMap(({ errors }) => errors)[0]
  if (problem !== undefined) throw problemOf(problem, content, source)
  const documents = all.filter(
    ({ contents }) => contents !== null && !(isScalar(contents) && contents.value === null),
  )
  const [document, ...others] = documents
  if (document === undefined) return undefined
  if (others.length > 0) {
    throw invalid(source, `it holds ${documents.length} YAML documents`, [
      'A frequent cause is that files were joined into one. kubectl would use only the first.',
      'To merge several files, list their paths in KUBECONFIG.',
    ])
  }
  // A password or a name of digits is a text, as it was written.
  visit(document, {
    Scalar: (_, node) => {
      if (isScalar(node) && typeof node.value === 'number') node.value = node.source ?? String(node.value)
    },
  })
  return plain(document, source)
}

/** What YAML 1.1, which kubectl reads, knows beside true and false. */
const truth = {
  tag: 'tag:yaml.org,2002:bool',
  default: true,
  test: /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/,
  resolve: (text: string): boolean => /^(y|on)/i.test(text),
} as const

/** The parser's own message repeats the line, which may be a credential. */
function problemOf({ code, linePos }: YAMLError, content: string, source: string): Failure {
  const seen = likenessOf(content)
  if (seen !== undefined) return unlike(source, 'it holds', content, seen)
  const line = linePos === undefined ? '' : ` (line ${linePos[0].line})`
  switch (code) {
    case 'DUPLICATE_KEY':
      return invalid(source, `a key stands twice in the same place${line}`, [
        'A frequent cause is that two files were joined into one. kubectl would use only the last value, and not say so.',
        'To merge several files, list their paths in KUBECONFIG.',
      ])
    case 'TAB_AS_INDENT':
      return invalid(source, `it is no valid YAML: a tab indents a line${line}`, [
        'YAML indents with spaces only.',
      ])
    case 'BAD_INDENT':
    case 'BLOCK_IN_FLOW':
    case 'BLOCK_AS_IMPLICIT_KEY':
      return invalid(source, `it is no valid YAML${line}`, [
        'A frequent cause is an indentation that was lost on the way into a variable or a secret: store it in base64.',
      ])
    default:
      return invalid(source, `it is no valid YAML${line}`, [
        'Base64 of the file survives every variable and every template.',
      ])
  }
}

function plain(document: Document.Parsed, source: string): unknown {
  try {
    return document.toJS() as unknown
  } catch {
    throw invalid(source, 'one of its YAML aliases leads nowhere, or there are far too many of them')
  }
}
