import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { wrapperInImage } from '../../../sandbox/pipeline.ts'
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts'
import { componentInputs } from '../../../scripts/gitlab.ts'
import { Pipelines } from '../../support/pipeline.ts'
import { canariesOf, optionsFor, program, runCommand } from '../command.ts'

// The two ways in which the tool comes into the image of a project: https://docs.npmjs.com/cli/commands/npx, and COPY --from.

const root = fileURLToPath(new URL('../../..', import.meta.url))
const secret = 'shop-postgresql-secret'

let sandbox: Sandbox
let pipelines: Pipelines
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox()
  // As root, in a folder that other users may look into.
  folder = await mkdtemp(join(tmpdir(), 'exec-migrate-'))
  await chmod(folder, 0o755)
  await writeFile(join(folder, 'kubeconfig'), sandbox.kubeconfig, { mode: 0o600 })
  const args = ['provision', ...optionsFor(sandbox, 'shop')]
  const env = { KUBECONFIG: join(folder, 'kubeconfig'), CI: 'true' }
  expect(await runCommand({ sandbox, args, env })).toMatchObject({ code: 0 })
  pipelines = await Pipelines.open(sandbox.kubeconfig, () => Promise.resolve(canariesOf(sandbox, [secret])))
})
afterAll(async () => {
  await pipelines.close()
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

const inputs = (): Record<string, unknown> => ({
  'access-secret': sandbox.accessSecret,
  'access-namespace': sandbox.accessNamespace,
  'app-namespace': sandbox.appNamespace,
  'app-database': 'shop',
  'app-secret': secret,
  image: 'node:24',
})

/** A registry that has this package, as it would be published, and nothing else. */
async function startRegistry(): Promise<Server> {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', `--pack-destination=${folder}`], {
    cwd: root,
  })
  const [{ filename, name, version }] = JSON.parse(packed.toString()) as [Record<string, string>]
  const tarball = await readFile(join(folder, filename ?? ''))
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { bin: object }
  const server = createServer((request, response) => {
    if (request.url === '/package.tgz') {
      response.end(tarball)
      return
    }
    if (decodeURIComponent(request.url ?? '') !== `/${name ?? ''}`) {
      response.writeHead(404).end()
      return
    }
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
    const dist = { tarball: `http://${request.headers.host ?? ''}/package.tgz`, integrity }
    const one = { name, version, bin: manifest.bin, dist }
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version ?? '']: one } }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

test('in an image with Node.js, the job gets it by npx, and runs its line as it stands', async () => {
  const registry = await startRegistry()
  try {
    const { port } = registry.address() as AddressInfo
    const { code, log } = await pipelines.run(
      'npx',
      { ...inputs(), run: `echo "as $PGUSER, for 5$ & 'more'"; node migration.mjs` },
      {
        component: 'migrate',
        variables: {
          npm_config_registry: `http://127.0.0.1:${port}`,
          npm_config_cache: join(folder, 'cache'),
          npm_config_update_notifier: 'false',
          PATH: `${dirname(await realpath(process.execPath))}:${process.env['PATH'] ?? ''}`,
        },
        files: {
          'migration.mjs': `
            import pg from ${JSON.stringify(import.meta.resolve('pg'))}
            const client = new pg.Client()
            await client.connect()
            await client.query('create table made (id int)')
            const { rows } = await client.query("select tableowner as o from pg_tables where tablename = 'made'")
            await client.end()
            console.log('owned by', rows[0].o)`,
        },
      },
    )
    expect(log).toContain(`as shop, for 5$ & 'more'`)
    expect(log).toContain('owned by shop')
    expect(log).toMatch(/✓ command +exit code 0 after .* dropped/)
    expect(code).toBe(0)
  } finally {
    registry.close()
  }
})

test('it is started by a path as well, and the first command of the line that fails fails the job', async () => {
  const tool = join(folder, 'tool')
  await writeFile(tool, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o755 })
  const run = 'echo before; (exit 7); echo behind'
  const { code, log } = await pipelines.run('failing', { ...inputs(), run, tool }, { component: 'migrate' })
  expect(log).toMatch(/> before$/m)
  expect(log).not.toMatch(/> behind$/m)
  expect(log).toMatch(/✗ command +exit code 7 after/)
  expect(code).not.toBe(0)
})

/** What a program needs besides itself: the libraries that its loader finds, and the loader. */
function librariesOf(file: string): readonly string[] {
  const listed = execFileSync('ldd', [file]).toString()
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}

const psql = spawnSync('sh', ['-c', 'ls /usr/lib/postgresql/*/bin/psql | tail -1']).stdout.toString().trim()
const chroot = ['/usr/sbin/chroot', '/usr/bin/chroot'].find((path) => existsSync(path)) ?? ''
const enclosed = chroot !== '' && process.platform === 'linux' && process.getuid?.() === 0 && psql !== ''
const inRoot = enclosed ? test : (test.skip as typeof test)

inRoot(
  'in an image with glibc and libstdc++ alone, what COPY takes from the image is enough',
  async () => {
    // The image, as its Dockerfile fills it: what it is made from has Node.js there.
    const image = join(folder, 'image')
    const [, sources = '', target = ''] =
      /^COPY (.+) (\/opt\/\S+)$/m.exec(await readFile(join(root, 'Dockerfile'), 'utf8')) ?? []
    for (const source of sources.split(' ')) {
      const to = source.endsWith('/') ? join(image, target) : join(image, target, source)
      await cp(join(root, source), to, { recursive: true })
    }
    await mkdir(join(image, 'usr/local/bin'), { recursive: true })
    await symlink(process.execPath, join(image, 'usr/local/bin/node'))
    await writeFile(join(image, 'usr/local/bin/pg-app-user'), await wrapperInImage(), { mode: 0o755 })

    // That of the project: a shell, psql, their libraries, and what the document copies.
    const project = join(folder, 'project')
    const needed = new Set([psql, '/bin/sh', ...[psql, '/bin/sh', process.execPath].flatMap(librariesOf)])
    for (const path of needed) {
      await mkdir(dirname(join(project, path)), { recursive: true })
      await cp(await realpath(path), join(project, path))
    }
    const libraries = [...needed].filter((path) => path.includes('.so')).map((path) => path.split('/').at(-1))
    expect(libraries).toContain('libstdc++.so.6')
    const document = await readFile(join(root, 'gitlab/README.md'), 'utf8')
    const lines = [...document.matchAll(/^COPY --from=ghcr\.io\/elastisys\/pg-app-user:1 (.+)$/gm)]
    expect(lines).toHaveLength(2)
    for (const [, words = ''] of lines) {
      const paths = words.split(' ')
      const to = paths.pop() ?? ''
      for (const path of paths) {
        const place = to.endsWith('/') ? join(project, to, path.split('/').at(-1) ?? '') : join(project, to)
        await cp(join(image, path), place, { recursive: true, dereference: true })
      }
    }
    await cp(join(folder, 'kubeconfig'), join(project, 'kubeconfig'))
    await chmod(join(project, 'kubeconfig'), 0o644)

    const { tool } = componentInputs('migrate')
    expect('/usr/local/bin/pg-app-user').toMatch(new RegExp(tool?.regex ?? ''))
    // As a user without a name and a home, and without anything of this machine but the network.
    const words = ['exec', ...optionsFor(sandbox, 'shop'), '--', 'sh', '-e', '-c', `"$PG_APP_USER_RUN"`]
    const script = `exec /usr/local/bin/pg-app-user ${words.join(' ')}`
    const child = spawn(chroot, ['--userspec=10001:10001', project, '/bin/sh', '-c', script], {
      env: {
        PATH: `/usr/local/bin:/usr/bin:/bin:${dirname(psql)}`,
        KUBECONFIG: '/kubeconfig',
        CI: 'true',
        GITLAB_CI: 'true',
        PG_APP_USER_RUN: 'psql -XAtc "select current_user, session_user <> current_user"',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    expect({ stdout, stderr }).toEqual({
      stdout: 'shop|t\n',
      stderr: expect.stringMatching(/exit code 0 .*dropped/),
    })
  },
  120_000,
)
