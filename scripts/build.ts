import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { build, transformSync, type Plugin } from 'esbuild'

/**
 * Bundles `src/` into `dist/`: one bundle of which the action and the command line each load what they need, when they
 * need it, because most runs are short. esbuild leaves out what nothing uses, ncc brings in the libraries and their
 * licenses, and esbuild again makes it small, which ncc does for its first file only.
 */
const faces = ['action', 'cli'] as const

/** What stands in for libraries that are imported and never called. */
const stubs = {
  undici:
    'export class Agent {} export class ProxyAgent {} export class FormData {} export const fetch = undefined',
  'js-yaml': 'export const load = undefined, loadAll = undefined, dump = undefined',
  socks: 'export const SocksClient = undefined',
  './azure_auth.js': unused('AzureAuth'),
  './gcp_auth.js': unused('GoogleCloudPlatformAuth'),
  './oidc_auth.js': unused('OpenIDConnectAuth'),
}

/** An auth-provider of the Kubernetes client, which is given no user that has one. */
function unused(type: string): string {
  return `export class ${type} { isAuthProvider() { return false } }`
}

/** What stands in for what few runs call, and loads it when it is called. */
const deferred = {
  'socks-proxy-agent': `
    import { Agent } from 'agent-base'
    export class SocksProxyAgent extends Agent {
      constructor(...given) {
        super(given[1])
        this.given = given
      }
      async connect(request, options) {
        const { SocksProxyAgent } = await import('socks-proxy-agent')
        return await new SocksProxyAgent(...this.given).connect(request, options)
      }
    }`,
}

/**
 * Neither the Kubernetes client nor the toolkit declares that its modules have no side effects, so a bundler keeps all of
 * them: a generated API of 4 MB, of which only the kubeconfig is used, and a HTTP client and a parser of YAML that nothing
 * here calls.
 */
const lean: Plugin = {
  name: 'lean',
  setup(esbuild) {
    // What is imported is another file of it than what cron-parser requires: one of the two will do. No path here begins
    // with that of the checkout, or the bundle would depend on it.
    const luxon = relative('build', createRequire(import.meta.url).resolve('luxon'))
    esbuild.onResolve({ filter: /^luxon$/ }, () => ({ path: luxon, external: true }))
    const pruned = /@kubernetes\/client-node|@actions\//
    for (const [library, contents] of Object.entries(stubs)) {
      const filter = new RegExp(`^${library}$`)
      esbuild.onResolve({ filter }, () => ({ path: library, namespace: 'unused' }))
      esbuild.onLoad({ filter, namespace: 'unused' }, () => ({ contents }))
    }
    for (const [library, contents] of Object.entries(deferred)) {
      const filter = new RegExp(`^${library}$`)
      esbuild.onResolve({ filter }, ({ path, importer, kind, resolveDir }) => {
        if (!pruned.test(importer) || kind === 'dynamic-import') return undefined
        return { path: relative('.', join(resolveDir, path)), namespace: library, pluginData: resolveDir }
      })
      esbuild.onLoad({ filter: /./, namespace: library }, ({ pluginData }) => ({
        contents,
        resolveDir: pluginData as string,
      }))
    }
    esbuild.onResolve({ filter: /./ }, async ({ path, pluginData, importer, ...options }) => {
      if (pluginData === 'resolving' || importer === '') return undefined
      const local = path.startsWith('.')
      if (!pruned.test(local ? importer : path)) return local ? undefined : { path, external: true }
      const resolved = await esbuild.resolve(path, { ...options, importer, pluginData: 'resolving' })
      return { path: resolved.path, sideEffects: false }
    })
  },
}

rmSync('build', { recursive: true, force: true })
rmSync('dist', { recursive: true, force: true })
await build({
  entryPoints: faces.map((face) => `src/faces/${face}.ts`),
  outdir: 'build',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  plugins: [lean],
})
writeFileSync(
  'build/faces.js',
  faces.map((face) => `export const ${face} = () => import('./${face}.js')\n`).join(''),
)
execFileSync('ncc', ['build', 'build/faces.js', '--out', 'build/ncc', '--license', 'licenses.txt'], {
  stdio: 'inherit',
})
for (const name of readdirSync('build/ncc').filter((each) => each.endsWith('.js'))) {
  const { code } = transformSync(readFileSync(`build/ncc/${name}`, 'utf8'), {
    minify: true,
    format: 'esm',
    target: 'node24',
    legalComments: 'none',
  })
  writeFileSync(`build/ncc/${name}`, code)
}
cpSync('build/ncc', 'dist', { recursive: true, filter: (path) => !path.endsWith('/index.js') })
cpSync('build/ncc/index.js', 'dist/faces.js')
// Apart from the rest: what it does has to come before anything else is as much as loaded.
await build({
  entryPoints: ['src/faces/start.ts'],
  outfile: 'dist/start.js',
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
})
for (const [file, face, head] of [
  ['index', 'action', ''],
  ['cli', 'cli', '#!/usr/bin/env node\n'],
] as const) {
  const body = `import { start } from './start.js'\nawait start(async () => (await import('./faces.js')).${face}())\n`
  writeFileSync(`dist/${file}.js`, head + body)
}
chmodSync('dist/cli.js', 0o755)
for (const [name, file] of [
  ['@kubernetes/client-node', 'LICENSE'],
  ['@actions/core', 'LICENSE.md'],
  ['@actions/github', 'LICENSE.md'],
] as const) {
  appendFileSync('dist/licenses.txt', `\n${name}\n${readFileSync(`node_modules/${name}/${file}`, 'utf8')}`)
}
