import { createPrivateKey } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createAuthority } from '../../sandbox/certificate.ts'
import { startWitness, type Upstream, type Witness } from './witness.ts'

/** A line of `expect.tsv`. */
export interface Case {
  readonly name: string
  /** Parted by ` ; `: a variable, an option, `no app-namespace`, `at home` (`~/.kube/config`). */
  readonly setup: string
  /** What kubectl 1.32 does: `works USER`, `refuses: words` (sent nothing), `rejected as USER: words`. */
  readonly kubectl: string
  /**
   * What is right, alternatives parted by ` or `: `works USER`; `refused CODE|CODE` (no credential was sent);
   * `rejected CODE` (the server said no).
   */
  readonly product: string
  /** A regular expression that the output matches, in any case. */
  readonly says: string
  readonly mark: string
  readonly why: string
}

/** What came of a case. */
export interface Seen {
  /** As whom requests arrived, where it worked; else `undefined`. */
  readonly works: string | undefined
  /** The code of the error, where there was one. */
  readonly code: string
  /** Whether any credential arrived. */
  readonly sent: boolean
  /** All that was printed. */
  readonly said: string
}

/** A case laid out in a folder of its own. */
export interface Scene {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** Options of the command, such as `--context=x`. */
  readonly options: readonly string[]
  readonly namesNamespace: boolean
}

const here = fileURLToPath(new URL('.', import.meta.url))

/** Every case. A new one is a file or a folder in `cases/`, and a line in `expect.tsv`. */
export const cases: readonly Case[] = (await readFile(join(here, 'expect.tsv'), 'utf8'))
  .split('\n')
  .slice(1)
  .filter((line) => line !== '')
  .map((line) => {
    const [name = '', setup = '', kubectl = '', product = '', says = '', mark = '', why = ''] =
      line.split('\t')
    return { name, setup, kubectl, product, says, mark, why }
  })

/** A witness, and the cases that lead to it. */
export interface Corpus {
  readonly witness: Witness
  /** Lays a case out, does something with it, and takes it away. */
  inScene<Result>(name: string, setup: string, work: (scene: Scene) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

const token = 'corpus-token-of-ci-0123456789'
const otherToken = 'corpus-token-of-other-98765'

/** Starts a witness in front of an API server, for the cases of the corpus. */
export async function startCorpus(upstream: Upstream): Promise<Corpus> {
  const pki = makePki()
  const jwt = pki.jwt({ exp: seconds(1) })
  const witness = await startWitness(
    upstream,
    { ...pki.server, ca: pki.ca },
    { [token]: 'ci', [otherToken]: 'other', [jwt]: 'jwt' },
  )
  const values: Readonly<Record<string, string>> = {
    ...valuesOf(pki),
    JWT: jwt,
    SERVER: `https://127.0.0.1:${witness.port}`,
    HOST: '127.0.0.1',
    PORT: String(witness.port),
    HTTP: `http://127.0.0.1:${witness.clearPort}`,
    PROXY_PORT: String(witness.proxyPort),
  }
  return {
    witness,
    close: () => witness.close(),
    inScene: async (name, setup, work) => {
      const folder = await mkdtemp(join(tmpdir(), 'corpus-'))
      try {
        const own: Record<string, string> = { ...values, DIR: folder, CA_FILE: join(folder, '.ca.crt') }
        const fill = (text: string): string =>
          text.replace(/@([A-Z_0-9]+)@/g, (all, key: string) => own[key] ?? all)
        await writeFile(join(folder, '.ca.crt'), pki.ca)
        const listed = await layOut(name, folder, fill)
        return await work(sceneOf(folder, fill(setup), listed))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}

/** Returns what is wrong with what was seen, nothing where it is right. */
export function faultsOf({ product, says }: Case, { works, code, sent, said }: Seen): readonly string[] {
  const isRight = product.split(' or ').some((wish) => {
    if (wish.startsWith('works ')) return works !== undefined && wish === `works ${works}`
    const [, verb, codes = ''] = /^(refused|rejected) (.*)$/.exec(wish) ?? []
    return works === undefined && codes.split('|').includes(code) && (verb === 'rejected' || !sent)
  })
  const came = works === undefined ? `${sent ? 'rejected' : 'refused'} ${code}` : `works ${works}`
  return [
    ...(isRight ? [] : [`wanted: ${product}, came: ${came}`]),
    ...(says === '' || new RegExp(says, 'i').test(said) ? [] : [`does not say /${says}/`]),
    ...(/hunter2|corpus-token/.test(said) ? ['prints a credential'] : []),
  ]
}

interface Pki {
  readonly ca: string
  readonly otherCa: string
  readonly server: { readonly certificate: string; readonly key: string }
  readonly clients: Readonly<
    Record<'kim' | 'expired' | 'early' | 'stranger', { readonly certificate: string; readonly key: string }>
  >
  readonly jwt: (claims: object) => string
}

function makePki(): Pki {
  const [authority, other] = [createAuthority('corpus'), createAuthority('corpus other')]
  return {
    ca: authority.pem,
    otherCa: other.pem,
    server: authority.issue(['127.0.0.1', 'localhost']),
    clients: {
      kim: authority.introduce('kim'),
      expired: authority.introduce('kim', -400, -35),
      early: authority.introduce('kim', 30, 395),
      stranger: other.introduce('kim'),
    },
    jwt: (claims) =>
      [{ alg: 'none' }, { sub: 'kim', ...claims }]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.') + '.dummy',
  }
}

const seconds = (hours: number): number => Math.floor(Date.now() / 1000) + hours * 3600
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Returns what stands between at signs in the files of the cases. */
function valuesOf({ ca, otherCa, clients, jwt }: Pki): Readonly<Record<string, string>> {
  const { kim, expired, early, stranger } = clients
  const key = createPrivateKey(kim.key)
  const locked = { format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2-passphrase' } as const
  return {
    TOKEN: token,
    TOKEN2: otherToken,
    TOKEN_HEAD: token.slice(0, 12),
    TOKEN_TAIL: token.slice(12),
    TOKEN_BASE64: base64(token),
    JWT_EARLY: jwt({ nbf: seconds(1), exp: seconds(2) }),
    JWT_LATE: jwt({ exp: seconds(-1) }),
    CA: base64(ca),
    CA_TWICE: base64(base64(ca)),
    CA_DER: ca.replace(/-----[^-]+-----|\s/g, ''),
    CA_CUT: base64(ca).slice(0, 200),
    CA_LINES: base64(ca).replace(/(.{64})/g, '$1\n        '),
    CA_RAW: JSON.stringify(ca),
    CA_ESCAPED: base64(ca.replaceAll('\n', '\\n')),
    CA_TEXT: base64(`Certificate:\n    Data: corpus\n${ca}`),
    CA_BUNDLE: base64(otherCa + ca),
    CA_PEM: ca,
    OTHER_CA: base64(otherCa),
    CERT: base64(kim.certificate),
    KEY: base64(kim.key),
    CERT_PEM: kim.certificate,
    KEY_PEM: kim.key,
    CERT_RAW: JSON.stringify(kim.certificate),
    CERT_ONCE: JSON.stringify(kim.certificate).slice(1, -1),
    KEY_ONCE: JSON.stringify(kim.key).slice(1, -1),
    CERT_CHAIN: base64(kim.certificate + ca),
    EXPIRED_CERT: base64(expired.certificate),
    EXPIRED_KEY: base64(expired.key),
    EARLY_CERT: base64(early.certificate),
    EARLY_KEY: base64(early.key),
    STRANGER_CERT: base64(stranger.certificate),
    STRANGER_KEY: base64(stranger.key),
    ENCRYPTED_KEY: base64(key.export({ ...locked, type: 'sec1' }).toString()),
    ENCRYPTED_PKCS8: base64(key.export({ ...locked, type: 'pkcs8' }).toString()),
  }
}

/** Writes the files of a case into a folder, filled in, and returns the paths of its kubeconfigs. */
async function layOut(
  name: string,
  folder: string,
  fill: (text: string) => string,
): Promise<readonly string[]> {
  const from = join(here, 'cases', name)
  const isFolder = (await stat(from)).isDirectory()
  const names = isFolder ? (await readdir(from, { recursive: true })).sort() : ['']
  for (const each of names) {
    const source = join(from, each)
    if (!(await stat(source)).isFile()) continue
    const to = join(folder, each || 'kubeconfig.yaml')
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, refilled(await readFile(source), fill))
    await chmod(to, each.endsWith('.sh') ? 0o755 : 0o600)
  }
  const listed = isFolder ? names.filter((each) => /^[^/\\]+\.yaml$/.test(each)) : ['kubeconfig.yaml']
  return listed.map((each) => join(folder, each))
}

/** A file in UTF-16 stays so. */
function refilled(bytes: Buffer, fill: (text: string) => string): Buffer {
  const isBig = bytes[0] === 0xfe && bytes[1] === 0xff
  if (isBig) return Buffer.from(fill(Buffer.from(bytes).swap16().toString('utf16le')), 'utf16le').swap16()
  const isLittle = bytes[0] === 0xff && bytes[1] === 0xfe
  return isLittle
    ? Buffer.from(fill(bytes.toString('utf16le')), 'utf16le')
    : Buffer.from(fill(bytes.toString()))
}

function sceneOf(folder: string, setup: string, listed: readonly string[]): Scene {
  const steps = setup.split(' ; ').filter((step) => step !== '')
  const variables = steps.filter((step) => /^\w+=/.test(step))
  const env = Object.fromEntries(
    variables.map((step): [string, string] => [
      step.slice(0, step.indexOf('=')),
      step.slice(step.indexOf('=') + 1),
    ]),
  )
  const atHome = steps.includes('at home')
  return {
    folder,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      ...(!atHome && { KUBECONFIG: listed.join(delimiter) }),
      ...env,
    },
    options: steps.filter((step) => step.startsWith('--')),
    namesNamespace: !steps.includes('no app-namespace'),
  }
}
