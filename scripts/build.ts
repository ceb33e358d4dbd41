import { execFileSync } from 'node:child_process'
import { appendFileSync, cpSync, readFileSync, rmSync } from 'node:fs'
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

/** What is built: the action, and the command line. */
const bundles = [
  { name: 'index', source: 'src/action.ts', licenses: 'licenses.txt', banner: '' },
  { name: 'cli', source: 'src/cli.ts', licenses: 'cli.licenses.txt', banner: '#!/usr/bin/env node' },
]

rmSync('dist', { recursive: true, force: true })
for (const { name, source, licenses, banner } of bundles) {
  await build({
    entryPoints: [source],
    outfile: `build/${name}.js`,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    banner: { js: banner },
    plugins: [kubernetesClient],
  })
  const folder = `build/${name}`
  const options = ['--out', folder, '--minify', '--license', licenses]
  execFileSync('ncc', ['build', `build/${name}.js`, ...options], { stdio: 'inherit' })
  appendFileSync(
    `${folder}/${licenses}`,
    `\n@kubernetes/client-node\nApache-2.0\n${readFileSync('node_modules/@kubernetes/client-node/LICENSE', 'utf8')}`,
  )
  // What ncc calls index.js gets its own name: all bundles share a folder and its package.json.
  cpSync(folder, 'dist', { recursive: true, filter: (path) => !path.endsWith('index.js') })
  cpSync(`${folder}/index.js`, `dist/${name}.js`)
}
