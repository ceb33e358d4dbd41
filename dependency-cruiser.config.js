/** What `npm run lint` holds imports to, those of types included: no circles, and layers that point one way. */
const servers = ['kubernetes', 'postgres', 'providers', 'input']
const parts = [...servers, 'kubeconfig', 'rights', 'secrets', 'route']
const core = ['run', 'provision', 'go-live', 'exec']

/** The folders of `src/`, each with those it may import from, besides itself and `lib`. */
const layers = {
  lib: [],
  kubernetes: [],
  postgres: [],
  providers: ['kubernetes'],
  input: ['postgres', 'secrets'],
  kubeconfig: ['kubernetes', 'input'],
  rights: ['kubernetes'],
  secrets: ['kubernetes', 'postgres', 'providers'],
  route: ['kubernetes', 'providers'],
  run: [...parts, ...core],
  provision: [...parts, ...core],
  'go-live': [...parts, ...core],
  exec: [...parts, ...core],
  report: [...parts, ...core],
  faces: [...parts, ...core, 'report'],
}

export default {
  forbidden: [
    { name: 'no-circle', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(layers).map(([folder, below]) => ({
      name: `${folder}-knows-only-what-is-below`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: `^src/(${[folder, 'lib', ...below].join('|')})/` },
    })),
    {
      name: 'sources-know-only-sources',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(sandbox|test|bench|scripts|dist)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
}
