import { isMap, isScalar, LineCounter, parseDocument, type YAMLMap, type YAMLParseError } from 'yaml'
import { Failure } from '../lib/failure.ts'
import { didYouMean } from '../lib/nearest.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import { input } from '../lib/spelling.ts'
import { count, figure, oneLine } from '../lib/text.ts'
import { Values, type Problem } from './file-values.ts'
import { requirements, type Requirement, type RequirementId, type Thresholds } from './requirement.ts'
import { parseWindow } from './window.ts'

/** A person vouches for what could not be seen. */
interface Attestation {
  readonly requirement: RequirementId
  /** What was checked, and where. */
  readonly statement: string
  readonly by: string
  /** `2027-02-20`: the last day on which it holds, in UTC. */
  readonly validUntil: string
}

/** A person accepts that a requirement is not met. */
interface Waiver {
  readonly requirement: RequirementId
  readonly reason: string
  readonly owner: string
  /** `2027-02-20`: the last day on which it holds, in UTC. */
  readonly validUntil: string
}

/** What the go-live file says. */
export interface GoLiveFile {
  /** Values that take the place of the profile's. */
  readonly thresholds: Partial<Thresholds>
  /** Whether to write a row and see how long it takes until it is archived. */
  readonly rpoProbe: boolean
  readonly holdBackInBackupWindow: boolean
  readonly attestations: readonly Attestation[]
  readonly waivers: readonly Waiver[]
}

/** What holds where there is no file. */
export const emptyFile: GoLiveFile = {
  thresholds: {},
  rpoProbe: false,
  holdBackInBackupWindow: false,
  attestations: [],
  waivers: [],
}

/**
 * Reads the go-live file; nothing where there is none.
 *
 * @param named whether an input names it: then it has to be there
 * @throws Failure `go-live-file-missing`, `go-live-file-invalid`
 */
export function readGoLiveFile(path: string, named: boolean): GoLiveFile | undefined {
  let text: string
  try {
    text = readRegularFile(path).toString()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const absent = code === 'ENOENT' || code === 'ENOTDIR'
    if (absent && !named) return undefined
    throw new Failure(
      'go-live-file-missing',
      absent
        ? `The go-live file ${oneLine(path)} does not exist.`
        : `The go-live file ${oneLine(path)} cannot be read (${code}).`,
      absent
        ? [
            'Was the repository checked out? A frequent cause is a job without the step actions/checkout before this one.',
            `Check ${input('go-live-file')} too: it starts at the root of the repository.`,
          ]
        : ['It has to be a file that this job may read.'],
      { cause: error },
    )
  }
  return parseGoLiveFile(text, path)
}

/**
 * Parses the go-live file.
 *
 * @throws Failure `go-live-file-invalid` that lists everything that is wrong, each with its line
 */
export function parseGoLiveFile(text: string, path: string): GoLiveFile {
  if (text.length > longestText) {
    throw new Failure(
      'go-live-file-invalid',
      `The go-live file ${oneLine(path)} has ${figure(text.length)} characters, and ${figure(longestText)} are taken.`,
      ['A frequent cause is a path that leads to another file.'],
    )
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const problems: Problem[] = document.errors.map((error) => [
    lines.linePos(error.pos[0]).line,
    problemWords(error),
  ])
  const parser = new Parser(lines, problems)
  const file = problems.length === 0 ? parser.file(document.contents) : emptyFile
  if (problems.length === 0) return file
  const listed = problems
    .toSorted(([one], [other]) => one - other)
    .map(([line, problem]) => `line ${line}: ${oneLine(problem)}`)
  throw new Failure(
    'go-live-file-invalid',
    listed.length === 1
      ? `The go-live file ${oneLine(path)} is wrong at ${listed.join('')}.`
      : `The go-live file ${oneLine(path)} is wrong in ${count(listed.length, 'place')}.`,
    [
      ...(listed.length === 1 ? [] : listed.slice(0, mostListed)),
      ...(listed.length > mostListed ? [`and ${listed.length - mostListed} more`] : []),
      'Editors check it against the schema: schema/go-live.json.',
    ],
  )
}

/** Some hundred times what a team writes; what is longer takes its time to parse, and is something else. */
const longestText = 100_000

const mostListed = 20

const wholeNumber = { minimum: 0, maximum: 1000 }

/** Walks the file and notes what is wrong with it, so that all of it can be said at once. */
class Parser extends Values {
  file(contents: unknown): GoLiveFile {
    // An empty file, or one of comments only, asks for nothing.
    if (contents === null || (isScalar(contents) && contents.value === null)) return emptyFile
    if (!isMap(contents)) {
      this.problem(contents, 'has to be keys and values, such as "min-instances: 3"')
      return emptyFile
    }
    const thresholds: { -readonly [Key in keyof Thresholds]?: Thresholds[Key] } = {}
    const set = <Key extends keyof Thresholds>(key: Key, value: Thresholds[Key] | undefined): void => {
      if (value !== undefined) thresholds[key] = value
    }
    const rest: { -readonly [Key in keyof GoLiveFile]: GoLiveFile[Key] } = { ...emptyFile }
    this.each(contents, '', {
      'min-instances': (node) => {
        set('minInstances', this.number(node, { minimum: 1, maximum: 1000 }))
      },
      'min-standbys': (node) => {
        set('minStandbys', this.number(node, wholeNumber))
      },
      'min-nodes': (node) => {
        set('minNodes', this.number(node, { minimum: 1, maximum: 1000 }))
      },
      'min-zones': (node) => {
        set('minZones', this.number(node, { minimum: 1, maximum: 1000 }))
      },
      'min-app-replicas': (node) => {
        set('minAppReplicas', this.number(node, { minimum: 1, maximum: 1000 }))
      },
      rpo: (node) => {
        set('rpoMs', this.duration(node))
      },
      'backup-every': (node) => {
        set('backupEveryMs', this.duration(node))
      },
      'backup-window': (node) => {
        const text = this.text(node, 'backup-window')
        const window = text === undefined ? undefined : parseWindow(text)
        if (window !== undefined && 'problem' in window)
          this.problem(node, `backup-window: ${window.problem}`)
        else set('backupWindow', window)
      },
      retention: (node) => {
        set('retentionDays', this.days(node))
      },
      'point-in-time-recovery': (node) => {
        set('recoveryDays', this.days(node))
      },
      'max-connections-used': (node) => {
        set('maxConnectionsUsed', this.percent(node))
      },
      'max-xid-age': (node) => {
        set('maxXidAge', this.number(node, { minimum: 1, maximum: 2_000_000_000 }))
      },
      'max-sequence-used': (node) => {
        set('maxSequenceUsed', this.percent(node))
      },
      'min-certificate-left': (node) => {
        set('minCertificateDays', this.days(node))
      },
      'minor-release-within': (node) => {
        set('minorReleaseDays', this.days(node))
      },
      'rpo-probe': (node) => {
        rest.rpoProbe = this.flag(node)
      },
      'hold-back-in-backup-window': (node) => {
        rest.holdBackInBackupWindow = this.flag(node)
      },
      attestations: (node) => {
        rest.attestations = this.list(node, (item) => this.attestation(item))
      },
      waivers: (node) => {
        rest.waivers = this.list(node, (item) => this.waiver(item))
      },
    })
    return { ...rest, thresholds }
  }

  private attestation(node: unknown): Attestation | undefined {
    const found = this.entry(node, ['statement', 'by'], (requirement, at) => {
      if (requirement.attestable) return
      this.problem(at, `${requirement.id} cannot be attested, because it can be seen; it can be waived`)
    })
    return (
      found && {
        requirement: found.id,
        statement: found.texts[0],
        by: found.texts[1],
        validUntil: found.validUntil,
      }
    )
  }

  private waiver(node: unknown): Waiver | undefined {
    const found = this.entry(node, ['reason', 'owner'], () => undefined)
    return (
      found && {
        requirement: found.id,
        reason: found.texts[0],
        owner: found.texts[1],
        validUntil: found.validUntil,
      }
    )
  }

  /** An attestation or a waiver: a requirement, two texts, and a date. All of them have to be filled in. */
  private entry(
    node: unknown,
    [first, second]: readonly [string, string],
    check: (requirement: Requirement, node: unknown) => void,
  ): { id: RequirementId; texts: readonly [string, string]; validUntil: string } | undefined {
    if (!isMap(node)) {
      this.problem(node, `has to have the keys requirement, ${first}, ${second} and valid-until`)
      return undefined
    }
    const values = new Map<string, string>()
    let id: RequirementId | undefined
    const keep = (key: string) => (value: unknown) => {
      const text = this.text(value, key)
      if (text !== undefined) values.set(key, oneLine(text, 500))
    }
    this.each(node, '', {
      requirement: (value) => {
        const text = this.text(value, 'requirement')
        if (text === undefined) return
        const known = requirements.find((requirement) => requirement.id === text)
        if (known === undefined)
          this.problem(
            value,
            `"${oneLine(text, 40)}" is no requirement${didYouMean(
              text,
              requirements.map((each) => each.id),
            )}`,
          )
        else {
          id = known.id
          check(known, value)
        }
      },
      [first]: keep(first),
      [second]: keep(second),
      'valid-until': (value) => {
        // Also 20270220, which YAML takes for a number.
        const text =
          isScalar(value) && typeof value.value === 'number'
            ? String(value.value)
            : this.text(value, 'valid-until')
        if (text === undefined) return
        if (isDate(text)) values.set('valid-until', text)
        else this.problem(value, `valid-until "${oneLine(text, 40)}" is no date: write 2027-02-20`)
      },
    })
    for (const key of ['requirement', first, second, 'valid-until']) {
      if (!node.has(key)) this.problem(node, `${key} is missing`)
    }
    const [one, other, validUntil] = [values.get(first), values.get(second), values.get('valid-until')]
    if (id === undefined || one === undefined || other === undefined || validUntil === undefined)
      return undefined
    return { id, texts: [one, other], validUntil }
  }

  private each(map: YAMLMap, where: string, known: Readonly<Record<string, (value: unknown) => void>>): void {
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : ''
      const read = Object.hasOwn(known, name) ? known[name] : undefined
      if (read === undefined)
        this.problem(key, `${where}"${name}" is no key here${didYouMean(name, Object.keys(known))}`)
      else {
        this.key = name
        read(value ?? key)
      }
    }
  }
}

/** What a parser says of itself is of no use to whoever wrote the file. */
function problemWords({ code, message }: Pick<YAMLParseError, 'code' | 'message'>): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here: the file has to be one'
  if (message.includes('call stack')) return 'it is nested too deep'
  return message
}

/** A day of the calendar, not only something that looks like one. */
function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}
