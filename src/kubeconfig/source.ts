import { statSync } from 'node:fs'
import path from 'node:path'
import type { KubeconfigSources } from '../input/request.ts'
import { Failure } from '../lib/failure.ts'
import { looksLikePath } from '../lib/path-like.ts'
import { placeholderIn } from '../lib/placeholder.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import { input as named, setting, spoken } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import { parseKubeconfig, type Kubeconfig, type Mask } from './document.ts'
import { invalid } from './failure.ts'
import { unlike } from './likeness.ts'
import { inCluster, isInPod, podKubeconfig } from './pod.ts'
import { kubeconfigText, textOf } from './text.ts'

/** A kubeconfig, and where it came from: `input "kubeconfig"`, `KUBECONFIG`. */
export interface FoundKubeconfig {
  readonly source: string
  /** Whether it is the identity of a Pod. */
  readonly ofPod?: true
  readonly config: Kubeconfig
}

/**
 * Returns the kubeconfig of the first source that has one.
 *
 * @throws Failure `kubeconfig-missing`, `kubeconfig-invalid`
 */
export function findKubeconfig(sources: KubeconfigSources, mask: Mask): FoundKubeconfig {
  const { input, KUBECONFIG, KUBECONFIG_CONTENTS_B64, homeFile } = sources
  const candidates: [source: string, value: string | undefined, isList: boolean][] = [
    [named('kubeconfig'), input, false],
    ['KUBECONFIG', KUBECONFIG, true],
    ['KUBECONFIG_CONTENTS_B64', KUBECONFIG_CONTENTS_B64, false],
  ]
  const { podRoot } = sources
  for (const [source, value, isList] of candidates) {
    if (value?.trim() === inCluster) {
      return { source: inCluster, ofPod: true, config: podKubeconfig(source, mask, podRoot) }
    }
    if (value !== undefined && value.trim() !== '') {
      return { source, config: load(value.trim(), source, isList, mask) }
    }
  }
  const home = homeFile === undefined ? undefined : contentOf(homeFile, homeFile)
  if (homeFile !== undefined && home !== undefined) {
    const config = parseKubeconfig(home, homeFile, 'it holds', path.dirname(homeFile), mask)
    return { source: homeFile, config }
  }
  if (sources.orPod === true && isInPod(podRoot)) {
    return {
      source: 'the Pod that this is',
      ofPod: true,
      config: podKubeconfig('the identity', mask, podRoot),
    }
  }
  const ownInput = spoken().lacks.includes('kubeconfig') ? '' : `${named('kubeconfig')} is empty, and `
  const noHome = homeFile === undefined ? '' : `, and there is no ${homeFile}`
  throw new Failure(
    'kubeconfig-missing',
    `No kubeconfig: ${ownInput}neither KUBECONFIG nor KUBECONFIG_CONTENTS_B64 is set${noHome}.`,
    [...sources.absenceHint, wayOut()],
  )
}

/** Says how a run becomes the Pod that it is in, which it never does unasked in a CI: that may be in another cluster. */
function wayOut(): string {
  const said = spoken().lacks.includes('kubeconfig')
    ? `variable KUBECONFIG set to ${inCluster}`
    : setting('kubeconfig', inCluster)
  return `To act as the ServiceAccount of this Pod, say so: ${said}.`
}

/** Reads a value that is content, base64 of it, or a path. The value itself is never repeated: it may be a credential. */
function load(value: string, source: string, isList: boolean, mask: Mask): Kubeconfig {
  if (kubeconfigText(value) !== undefined || value.includes('\n') || /^["{]/.test(value)) {
    return parseKubeconfig(value, source, 'it is', process.cwd(), mask)
  }
  // The paths of a list are parted by colons, and so are the parts of a reference to a store of secrets.
  const placeholder = placeholderIn(value)
  if (placeholder !== undefined) throw unlike(source, 'it is', value, noFile)
  const paths = isList ? value.split(path.delimiter).filter((file) => file !== '') : [value]
  if (!paths.every(looksLikePath)) mask(value)
  const configs: Kubeconfig[] = []
  for (const file of paths) {
    const content = contentOf(file, source)
    if (content === undefined) continue
    // One file of several may be empty, as for kubectl.
    const rest = paths.length > 1 && content.trim() === '' ? '{kind: Config}' : content
    const where = `the file ${oneLine(file)} holds`
    configs.push(parseKubeconfig(rest, source, where, path.dirname(path.resolve(file)), mask))
  }
  const merged = configs.reduce<Kubeconfig | undefined>(merge, undefined)
  if (merged !== undefined) return merged
  if (paths.length > 1)
    throw invalid(source, `it names ${paths.length} files, and none of them exists`, [
      'Relative paths start at the folder in which this runs.',
    ])
  throw unlike(source, 'it is', value, noFile)
}

const noFile = {
  what: 'neither a kubeconfig nor base64 of one, and no file has this name',
  cause: 'A relative path starts at the folder in which this runs.',
}

/** Merges as kubectl does: what comes first wins. */
function merge(first: Kubeconfig | undefined, next: Kubeconfig): Kubeconfig {
  if (first === undefined) return next
  return {
    contexts: new Map([...next.contexts, ...first.contexts]),
    clusters: new Map([...next.clusters, ...first.clusters]),
    users: new Map([...next.users, ...first.users]),
    current: first.current ?? next.current,
  }
}

/** Returns the content of a file, `undefined` where there is no such file. */
function contentOf(file: string, source: string): string | undefined {
  try {
    return textOf(readRegularFile(file))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENAMETOOLONG' || code === 'ENOTDIR') return undefined
    if (isFolder(file)) {
      throw invalid(source, `${oneLine(file)} is a folder`, ['Name the file in it.'])
    }
    throw invalid(source, `the file ${oneLine(file)} cannot be read (${code ?? 'unknown reason'})`)
  }
}

/** Without its error, which repeats a text that may be no path and a credential. */
function isFolder(file: string): boolean {
  try {
    return statSync(file).isDirectory()
  } catch {
    return false
  }
}
