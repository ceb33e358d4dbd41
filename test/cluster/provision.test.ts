import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Canaries } from '../support/canary.ts'
import { majors, type FetchedFlavor } from './flavors.ts'
import { Scene, secretName } from './scene.ts'

/** What a person does with psql or kubectl, and what the next run has to say about it. */
interface Damage {
  readonly what: string
  readonly done: (scene: Scene, name: string) => Promise<unknown>
  /** `object action` of each change, in order. */
  readonly changes: readonly string[]
  readonly says: RegExp
  /** Whether the password is another one afterwards. */
  readonly newPassword?: boolean
}

const damages: readonly Damage[] = [
  {
    what: 'the Secret is deleted',
    done: (scene, name) => scene.admin.remove('Secret', scene.namespace, secretName(name)),
    changes: ['role password-set', 'secret created'],
    says: /~ role .*no password for it: given a new password/,
    newPassword: true,
  },
  {
    what: 'a key is taken out of the Secret',
    done: (scene, name) =>
      scene.admin.patch('Secret', scene.namespace, secretName(name), {
        data: { PGPORT: null, NOTE: 'YQ==' },
      }),
    changes: ['secret repaired'],
    says: /~ Secret .*PGPORT written, other keys kept/,
  },
  {
    what: 'the password is taken out of the Secret',
    done: (scene, name) =>
      scene.admin.patch('Secret', scene.namespace, secretName(name), { data: { PGPASSWORD: null } }),
    changes: ['role password-set', 'secret repaired'],
    says: /~ Secret .*PGPASSWORD written, other keys kept/,
    newPassword: true,
  },
  {
    what: 'the password is changed in the database',
    done: (scene, name) => scene.sql(`alter role "${name}" password 'something else'`),
    changes: ['role password-set'],
    says: /~ role .*its password was not the one in the Secret: set to the Secret's/,
  },
  {
    what: 'the database is dropped',
    done: (scene, name) => scene.sql(`drop database "${name}" with (force)`),
    changes: ['database created', 'grants granted'],
    says: /! note .*was gone and is created again: it is empty/,
  },
  {
    what: 'the grants are revoked',
    done: async (scene, name) => {
      await scene.sql([
        `revoke all on database "${name}" from "${name}"`,
        `grant connect on database "${name}" to public`,
      ])
      await scene.sql(`revoke all on schema public from "${name}"`, { database: name })
    },
    changes: ['grants granted'],
    says: /~ grants .*PUBLIC: CONNECT taken away/s,
  },
  {
    what: 'the role is dropped',
    done: async (scene, name) => {
      await scene.sql(`drop owned by "${name}" cascade`, { database: name })
      await scene.sql([`drop owned by "${name}" cascade`, `drop role "${name}"`])
    },
    changes: ['role created', 'grants granted'],
    says: /\+ role .*it was gone, and got the Secret's password again/,
  },
]

describe.each(majors)('PostgreSQL $major on a real cluster', ({ fetch }) => {
  let flavor: FetchedFlavor
  let scene: Scene
  const name = 'shop'

  beforeAll(async () => {
    flavor = await fetch()
    scene = await Scene.open({ flavor })
  }, 180_000)
  afterAll(async () => {
    await scene.close()
    await flavor.remove()
  })

  test('is provisioned in the first run, with no more than the printed Roles', async () => {
    const run = await scene.pass(name)
    expect(run.log).toMatch(/Created role, database, grants and Secret for shop\. \d+\.\d\d s/)
    expect(run.stderr).toBe('')
    expect(run.log).toContain(`as system:serviceaccount:${scene.namespace}:ci`)
    expect(run.log).toContain('✓ permissions     9 of 9 rights')
    expect(run.log).toContain('svc/postgresql1-user-access → Pod postgresql1-0 port 5432')
    expect(run.outputs).toMatchObject({
      changed: 'true',
      'secret-name': secretName(name),
      'secret-namespace': scene.namespace,
      'secret-resource-version': (await scene.stored(name))?.metadata.resourceVersion,
      database: name,
    })
    expect(run.summary).toContain('### ✅ `shop` is provisioned')
    const values = await scene.secret(name)
    expect(values).toMatchObject({
      PGHOST: `postgresql1.${scene.database}.svc.cluster.local`,
      PGPORT: '5432',
      PGUSER: name,
      PGDATABASE: name,
      PGSSLMODE: 'require',
    })
    await scene.work(values)
  })

  test('is left as it is by the second run', async () => {
    const before = await scene.state(name)
    const logged = (await scene.log()).length
    const run = await scene.pass(name)
    expect(run.log).toMatch(/Nothing to do: .* and the login works\. \d+\.\d\d s/)
    expect(run.outputs).toMatchObject({ changed: 'false', changes: '[]' })
    expect(await scene.state(name)).toEqual(before)
    expect((await scene.log()).slice(logged)).not.toContain('LOG:  statement:')
  })

  test.each(damages)('is put right in one run when $what', async ({ done, changes, says, newPassword }) => {
    const before = await scene.secret(name)
    await done(scene, name)
    const run = await scene.pass(name)
    expect(run.outputs.changed).toBe('true')
    expect(run.log).toMatch(says)
    const made = JSON.parse(run.outputs.changes ?? '') as { object: string; action: string }[]
    expect(made.map(({ object, action }) => `${object} ${action}`)).toEqual(changes)
    const after = await scene.secret(name)
    expect(after?.['PGPASSWORD'] !== before?.['PGPASSWORD']).toBe(newPassword ?? false)
    await scene.work(after)
    expect((await scene.pass(name)).outputs.changed).toBe('false')
  })

  test('has shown no password in its log, nor in what the API server tells about the Secret', async () => {
    const log = await scene.log()
    expect(log).toContain('CREATE ROLE "shop" LOGIN PASSWORD')
    const metadata = JSON.stringify((await scene.stored(name))?.metadata)
    expect(metadata).toContain('"manager":"pg-app-user"')
    const canaries = new Canaries()
    canaries.plant((await scene.secret(name))?.['PGPASSWORD'] ?? '')
    canaries.plant(scene.logins.admin.password)
    expect(canaries.leaks({ log, metadata })).toEqual([])
  })
})
