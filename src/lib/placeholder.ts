/** A text that stands where a value was to come. */
export interface Placeholder {
  /** What it is, to follow a name and "is". */
  readonly what: string
  /** Where the real value comes from, as a sentence. */
  readonly from: string
}

const rendered =
  'It was stored before the template was filled in: store the output of the tool, not its input.'
const decrypted = 'It was stored without being decrypted: store the output of the tool, not its input.'
const shown =
  'It was copied from a place that shows no credential: take the value from where it was made, or from the Secret itself with kubectl get secret … -o json.'
const blank = 'It is the blank of an example: put the real value in its place.'

/** The order counts: a blank in angle brackets may also be a path that a tool replaces. */
const kinds: readonly (Placeholder & { readonly pattern: RegExp })[] = [
  {
    pattern: /^\$\{\{.*\}\}$/,
    what: 'an expression of a workflow that nothing evaluated',
    from: 'Expressions of GitHub are evaluated in workflows alone, not in files that a step reads.',
  },
  {
    pattern: /\$\{[\w.:-]*\}|^\$\(.*\)$|^\$[A-Za-z_]\w*$|^%[A-Za-z_]\w*%$|%\{[\w.]+\}/,
    what: 'a variable that nothing replaced',
    from: 'A shell or envsubst should have replaced it. Single quotes or a missing step prevented that: store the value itself.',
  },
  { pattern: /\{\{.*\}\}|<%.*%>/, what: 'a template that nothing filled in', from: rendered },
  {
    pattern: /^<<[-~]?\s*["']?\w+["']?/,
    what: 'the beginning of a here-document',
    from: 'Its lines were lost: store the text between its first and last line.',
  },
  {
    pattern: /^ENC\[.*\]?$/,
    what: 'a value that sops encrypted',
    from: `${decrypted} For sops: sops --decrypt.`,
  },
  { pattern: /^\$ANSIBLE_VAULT;/, what: 'a value that ansible-vault encrypted', from: decrypted },
  {
    pattern: /^op:\/\//,
    what: 'a reference to 1Password',
    from: `${rendered} For 1Password: op read, or op inject.`,
  },
  {
    pattern:
      /^(?:ref\+[\w-]+:\/\/|secretref\+|vault:|<(?:path|vault):|arn:aws:secretsmanager:|gcp:\/\/|azurekeyvault:)/i,
    what: 'a reference to another store of secrets',
    from: rendered,
  },
  {
    pattern:
      /^(?:DATA\+OMITTED|\[?<?redacted>?\]?|\[?<?masked>?\]?|\*{3,}|•{3,}|\(sensitive(?: value)?\)|<sensitive>)$/i,
    what: 'what a tool shows in the place of a value',
    from: shown,
  },
  {
    pattern:
      /^(?:<[^<>]+>|\[[a-z][\w -]*\]|(?:please[-_]?)?(?:change|replace|fill)[-_]?(?:me|this|in)|your[-_](?:[\w-]*[-_])?(?:host(?:name)?|server|database|db|user(?:name)?|password|port))$/i,
    what: 'a blank that nobody filled in',
    from: blank,
  },
  { pattern: /^(?:TODO|FIXME|TBD|X{3,})$/, what: 'a blank that nobody filled in', from: blank },
]

/** Returns what a text stands for that is no value yet; `undefined` for anything else. */
export function placeholderIn(text: string): Placeholder | undefined {
  const kind = kinds.find(({ pattern }) => pattern.test(text.trim()))
  return kind && { what: kind.what, from: kind.from }
}
