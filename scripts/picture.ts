import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import escapeHtml from 'escape-html'
import { runStep } from '../sandbox/runner.ts'
import { startSandbox } from '../sandbox/sandbox.ts'

/** The looks of a picture: GitHub shows the one that suits the reader. */
const themes = {
  light: {
    ground: '#ffffff',
    frame: '#d0d7de',
    text: '#1f2328',
    quiet: '#59636e',
    '✓': '#1a7f37',
    '✗': '#d1242f',
  },
  dark: {
    ground: '#0d1117',
    frame: '#3d444d',
    text: '#e6edf3',
    quiet: '#9198a1',
    '✓': '#3fb950',
    '✗': '#f85149',
  },
} as const
type Theme = (typeof themes)[keyof typeof themes]

const columns = 100
const size = { column: 7.8, line: 19, edge: 18 }

/** Returns the log of a run as a picture: text, so that it can be read aloud and searched. */
function draw(title: string, lines: readonly string[], theme: Theme): string {
  const width = columns * size.column + 2 * size.edge
  const height = lines.length * size.line + 2 * size.edge
  const rows = lines.map((line, at) => {
    const y = size.edge + (at + 0.75) * size.line
    const [, sign = '', rest = '', duration = ''] = /^([✓+~!✗])?(.*?)( +\d+\.\d\d s)?$/su.exec(line) ?? []
    const colour = sign === '✗' || sign === '!' ? theme['✗'] : theme['✓']
    const quiet = line.startsWith('$')
    return [
      `<text x="${size.edge}" y="${y}" fill="${quiet ? theme.quiet : theme.text}">`,
      `<tspan fill="${colour}">${escapeHtml(sign)}</tspan>${escapeHtml(rest)}`,
      `<tspan fill="${theme.quiet}">${escapeHtml(duration)}</tspan></text>`,
    ].join('')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">
<title>${escapeHtml(title)}</title>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${theme.ground}" stroke="${theme.frame}"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">
${rows.join('\n')}
</g>
</svg>
`
}

/** Cuts what does not fit, and leaves out what a picture has no room for: the folded parts of a log. */
function fit(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line))
}

/** Returns the pictures of the README, by their names, from runs in a sandbox of their own. */
export async function takePictures(): Promise<ReadonlyMap<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'picture-'))
  const sandbox = await startSandbox()
  const inputs = {
    kubeconfig: sandbox.kubeconfig,
    'access-secret': sandbox.accessSecret,
    'access-namespace': sandbox.accessNamespace,
    'app-database': 'shop',
  }
  const { signal } = new AbortController()
  try {
    const first = await runStep(join(folder, '1'), inputs, signal)
    const second = await runStep(join(folder, '2'), inputs, signal)
    const gate = { provision: 'false', 'go-live': 'enforce', 'go-live-profile': 'standard' }
    const third = await runStep(join(folder, '3'), { ...inputs, ...gate }, signal)
    const codes = [first, second, third].map(({ exitCode }) => exitCode)
    if (codes.join() !== '0,0,1') throw new Error(`These runs show nothing: ${third.lines.join('\n')}`)
    const shown = {
      run: [
        'A first run creates role, database, grants and Secret, and proves the login. A second run finds nothing to do.',
        ['$ the first run', ...first.lines, '', '$ the second run', second.lines.at(-1) ?? ''],
      ],
      gate: [
        'The go-live gate names each requirement with what was seen, and holds the release back.',
        third.lines.filter(
          (line) =>
            /^[✓!✗] /.test(line) && !/^(✓|!) (cluster|permissions|access|tunnel|report|files)/.test(line),
        ),
      ],
    } as const
    return new Map(
      Object.entries(shown).flatMap(([name, [title, lines]]) =>
        Object.entries(themes).map(([look, theme]) => [
          `${name}-${look}.svg`,
          draw(title, fit(lines), theme),
        ]),
      ),
    )
  } finally {
    await sandbox.stop()
    await rm(folder, { recursive: true })
  }
}

/** Returns a picture without what differs from run to run: ports, versions and durations. */
export function withoutFigures(picture: string): string {
  return picture
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:#')
    .replace(/ +\d+\.\d\d s/g, ' # s')
    .replace(/\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?/g, '#')
    .replace(/PostgreSQL( +)\d+\.\d+/g, 'PostgreSQL$1#')
}

/** Where the pictures are. */
export const pictures = fileURLToPath(new URL('../docs/pictures/', import.meta.url))

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await mkdir(pictures, { recursive: true })
  for (const [name, svg] of await takePictures()) await writeFile(join(pictures, name), svg)
}
