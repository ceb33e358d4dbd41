import { execFileSync } from 'node:child_process'
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { build, type Plugin } from 'esbuild'

/**
 * The Kubernetes client does not declare that its modules have no side effects, so a bundler keeps the whole generated
 * API: 4 MB and half of the start-up time. Only its kubeconfig is used here, so esbuild is told, and leaves the rest out
 * before ncc bundles everything.
 */
const kubernetesClient: Plugin = {
  name: 'kubernetes-client',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^@kubernetes\/client-node$/ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === 'resolving') return undefined
      const resolved = await esbuild.resolve(path, { ...options, pluginData: 'resolving' })
      return { path: resolved.path, sideEffects: false }
    })
    esbuild.onResolve({ filter: /^\./ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === 'resolving' || !options.importer.includes('@kubernetes/client-node'))
        return undefined
      const resolved = await esbuild.resolve(path, { ...options, pluginData: 'resolving' })
      return { path: resolved.path, sideEffects: false }
    })
    esbuild.onResolve({ filter: /^[^./]/ }, ({ path }) =>
      path === '@kubernetes/client-node' ? undefined : { path, external: true },
    )
  },
}

rmSync('dist', { recursive: true, force: true })
await build({
  entryPoints: ['src/action.ts'],
  outfile: 'build/index.js',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  plugins: [kubernetesClient],
})
execFileSync('ncc', ['build', 'build/index.js', '--out', 'dist', '--minify', '--license', 'licenses.txt'], {
  stdio: 'inherit',
})
appendFileSync(
  'dist/licenses.txt',
  `\n@kubernetes/client-node\nApache-2.0\n${readFileSync('node_modules/@kubernetes/client-node/LICENSE', 'utf8')}`,
)
