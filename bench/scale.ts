import pg from 'pg'
import { startSandbox } from '../sandbox/sandbox.ts'
import { inputsFor, runAction, type ActionRun } from '../test/process/action.ts'
import { crowd } from './crowd.ts'
import { median, print } from './figures.ts'

/**
 * Shows that cost grows gently: how long runs take before and after the cluster and the server have got crowded, and the
 * gate with more Pods of the application.
 */
const runs = 7
const sandbox = await startSandbox({ postgres: { logStatement: 'none' } })
try {
  const { api, appNamespace, accessNamespace, postgres } = sandbox
  print(`sandbox · Node.js ${process.versions.node} · medians of ${runs}\n`)
  await pass('shop', {})
  await show('nothing to do, alone')

  crowd(sandbox)
  await show('beside 1,000 Pods and 1,000 Secrets')

  const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list'] }]
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'gate' }
  const subjects = [{ kind: 'ServiceAccount', name: 'ci', namespace: appNamespace }]
  for (const namespace of [accessNamespace, appNamespace]) {
    api.put({ kind: 'Role', metadata: { name: 'gate', namespace }, rules })
    api.put({ kind: 'RoleBinding', metadata: { name: 'gate', namespace }, roleRef, subjects })
  }
  const envFrom = [{ secretRef: { name: 'shop-postgresql-secret' } }]
  for (const [index, pods] of [1, 10, 50].entries()) {
    for (let pod = [0, 1, 10][index] ?? 0; pod < pods; pod++) {
      const metadata = { name: `shop-${pod}`, namespace: appNamespace, labels: { app: 'shop' } }
      api.put({ kind: 'Pod', metadata, spec: { containers: [{ name: 'shop', envFrom }] } })
    }
    await show(`the gate, with ${pods} Pods of the application`, {
      'go-live': 'warn',
      'go-live-profile': 'standard',
    })
  }

  const { host, port, superuser, ca } = postgres
  const client = new pg.Client({
    host,
    port,
    ...superuser,
    database: 'postgres',
    ssl: ca === undefined ? false : { ca },
  })
  await client.connect()
  await client.query(
    `DO $$ BEGIN FOR n IN 1..10000 LOOP EXECUTE format('CREATE ROLE other_%s', n); END LOOP; END $$`,
  )
  // Rows of the catalog are what a run reads; 10,000 folders on the disk would show nothing more.
  await client.query('SET allow_system_table_mods = on')
  const columns = `SELECT string_agg(quote_ident(attname), ', ') AS names FROM pg_attribute
    WHERE attrelid = 'pg_database'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('oid', 'datname')`
  const { rows } = await client.query<{ names: string }>(columns)
  const rest = rows[0]?.names ?? ''
  await client.query(`INSERT INTO pg_database (oid, datname, ${rest})
    SELECT 1000000 + n, 'other_' || n, ${rest} FROM pg_database, generate_series(1, 10000) n WHERE datname = 'template1'`)
  await client.query('ANALYZE')
  await show('beside 10,000 roles and 10,000 databases')
  await client.query('DELETE FROM pg_database WHERE oid >= 1000000')
  await client.end()
} finally {
  await sandbox.stop()
}

async function show(what: string, inputs = {}): Promise<void> {
  const seconds: number[] = []
  for (let run = 0; run < runs; run++) seconds.push((await pass('shop', inputs)).seconds)
  print(`${what.padEnd(46)} ${(median(seconds) * 1000).toFixed(0).padStart(5)} ms`)
}

async function pass(name: string, inputs: object): Promise<ActionRun> {
  const run = await runAction({ sandbox, inputs: { ...inputsFor(sandbox, name), ...inputs } })
  if (run.code !== 0) throw new Error(run.log)
  return run
}
