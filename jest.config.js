/** What takes long, and is no ring for each change: `npm run test:long`, which CI runs as well. */
const long = [
  'postgres/claims',
  'postgres/go-live',
  'postgres/in-the-way',
  'postgres/interruption',
  'postgres/libpq',
  'postgres/membership',
  'postgres/password-last',
  'postgres/refusals',
  'postgres/rights',
  'postgres/switch',
  'postgres/takeover',
  'process/cancelling',
  'process/cli',
  'process/cost',
  'process/deadline',
  'process/exec/migrate',
  'process/exec/stranger',
  'process/failures',
  'process/gitlab',
  'process/leaving',
  'process/patience',
  'process/ways',
  'process/workflows',
].map((file) => `<rootDir>/test/${file}.test.ts`)

/**
 * @param {string} name
 * @param {readonly string[]} testMatch
 * @param {readonly string[]} elsewhere
 */
const ring = (name, testMatch = [`<rootDir>/test/${name}/**/*.test.ts`], elsewhere = long) => ({
  displayName: name,
  testMatch,
  testPathIgnorePatterns: ['/node_modules/', ...elsewhere],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip.ts' },
})

export default {
  projects: [
    ring('unit'),
    ring('access-secrets'),
    ring('postgres'),
    ring('contract'),
    ring('process'),
    ring('long', long, []),
    ring('cluster'),
    ring('faults'),
    ring('model'),
    ring('kubeconfigs'),
    ring('clients'),
  ],
  // Here and not in the scripts, where a second one on the command line would be read with the first, as hundred and one.
  maxWorkers: '100%',
  testTimeout: 60_000,
  globalSetup: '<rootDir>/test/support/before.ts',
  globalTeardown: '<rootDir>/test/support/after.ts',
}
