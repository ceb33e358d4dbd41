/** What `npm run lint` holds imports to, those of types included: no circles, and layers that point one way. */
const faces = '^src/(action|cli|edge|gitlab|help|options|start)[.]ts$'
const story = '^src/(run|target|look|provision|journal|outcome)[.]ts$'

/** What a layer must not know. */
const layers = [
  {
    from: '^src/postgres/',
    unknown: ['^src/(kubernetes|providers|provision|go-live|report)/', story, faces],
  },
  { from: '^src/kubernetes/', unknown: ['^src/(provision|go-live|report)/', story, faces] },
  { from: '^src/providers/', unknown: ['^src/(postgres|provision|go-live|report)/', story, faces] },
  { from: '^src/(provision|go-live)/', unknown: ['^src/report/', faces] },
  { from: '^src/report/', unknown: [faces] },
  { from: '^src/', unknown: ['^(sandbox|test|bench|scripts|dist)/'] },
]

export default {
  forbidden: [
    { name: 'no-circle', severity: 'error', from: {}, to: { circular: true } },
    ...layers.map(({ from, unknown }) => ({
      name: 'layers-point-down',
      severity: 'error',
      from: { path: from },
      to: { path: unknown },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
}
