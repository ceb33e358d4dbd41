/** @param {string} name */
const ring = (name) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': ['ts-jest', { useESM: true, diagnostics: false, tsconfig: 'tsconfig.json' }] },
})

export default {
  projects: [
    'unit',
    'access-secrets',
    'postgres',
    'contract',
    'process',
    'cluster',
    'faults',
    'kubeconfigs',
    'clients',
  ].map(ring),
  // Here and not in the scripts, where a second one on the command line would be read with the first, as hundred and one.
  maxWorkers: '100%',
  testTimeout: 60_000,
}
