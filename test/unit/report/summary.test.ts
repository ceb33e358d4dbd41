import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../../src/lib/failure.ts'
import { codeSpan } from '../../../src/lib/text.ts'
import { formatFailureSummary, formatSummary } from '../../../src/report/summary.ts'
import { failed, inPlace, lackingRights, provisioned, repaired } from '../../support/outcomes.ts'

const yaml = '```yaml'
const fence = '```'

describe('the summary of', () => {
  test('a first provisioning', () => {
    expect(formatSummary(provisioned)).toBe(`### ✅ \`shop\` is provisioned

Role, database, grants and Secret were created, and the login was proven. 0.55 s on \`https://api.prod.example.com:6443\`, namespace \`shop\`.

|  | now | this run |
| --- | --- | --- |
| PostgreSQL | 16.6, primary, TLS 1.3 |  |
| Role \`shop\` | login, no dangerous attribute | created |
| Database \`shop\` | owner \`postgresql1_admin\` | created |
| Grants | all on the database, \`USAGE\` and \`CREATE\` on \`public\`; not open to \`PUBLIC\` | granted |
| Login | proven: table created, row written and read, rolled back |  |
| Secret \`shop/app-postgresql-secret\` | 6 keys | created |

**Use it in your Deployment**

${yaml}
spec:
  template:
    spec:
      containers:
        - name: app
          envFrom:
            - secretRef:
                name: app-postgresql-secret
${fence}

Works as it is with psql and every client built on libpq. node-postgres reads \`PGSSLMODE=require\` in another way: set \`app-sslmode: no-verify\` for it.
`)
  })

  test('a first provisioning whose clients verify the server', () => {
    const outcome = { ...provisioned, secret: { ...provisioned.secret, authority: 'mounted' as const } }
    expect(formatSummary(outcome)).toContain(`**Use it in your Deployment**

${yaml}
spec:
  template:
    spec:
      containers:
        - name: app
          envFrom:
            - secretRef:
                name: app-postgresql-secret
          env:
            - name: PGSSLROOTCERT
              value: /etc/pg-app-user/ca.crt
          volumeMounts:
            - name: pg-app-user
              mountPath: /etc/pg-app-user
              readOnly: true
      volumes:
        - name: pg-app-user
          secret:
            secretName: app-postgresql-secret
            items:
              - key: ca.crt
                path: ca.crt
${fence}

psql and every client built on libpq take the authority from \`PGSSLROOTCERT\`, and the forms of \`secret-format\` name its file. node-postgres with the names of libpq takes it from \`NODE_EXTRA_CA_CERTS\`.
`)
  })

  test('a first provisioning with a service binding', () => {
    const secret = {
      ...provisioned.secret,
      authority: 'mounted' as const,
      binding: 'app-postgresql-secret-binding',
    }
    expect(formatSummary({ ...provisioned, secret })).toContain(`
          env:
            - name: PGSSLROOTCERT
              value: /etc/pg-app-user/ca.crt
            - name: SERVICE_BINDING_ROOT
              value: /bindings
          volumeMounts:
            - name: pg-app-user
              mountPath: /etc/pg-app-user
              readOnly: true
            - name: postgresql
              mountPath: /bindings/postgresql
              readOnly: true
      volumes:
        - name: pg-app-user
          secret:
            secretName: app-postgresql-secret
            items:
              - key: ca.crt
                path: ca.crt
        - name: postgresql
          secret:
            secretName: app-postgresql-secret-binding
${fence}
`)
  })

  test('a first provisioning into a Secret whose name is a number to YAML', () => {
    const secret = { ...provisioned.secret, name: '2024', authority: 'mounted' as const }
    const summary = formatSummary({ ...provisioned, secret })
    expect(summary).toContain('name: "2024"')
    expect(summary).toContain('secretName: "2024"')
  })

  test("a first provisioning whose clients verify the server with the system's authorities", () => {
    const outcome = { ...provisioned, secret: { ...provisioned.secret, authority: 'system' as const } }
    expect(formatSummary(outcome)).toContain(`**Use it in your Deployment**

${yaml}
spec:
  template:
    spec:
      containers:
        - name: app
          envFrom:
            - secretRef:
                name: app-postgresql-secret
          env:
            - name: PGSSLROOTCERT
              value: system
${fence}

psql and every client built on libpq need \`PGSSLROOTCERT\` to look among the authorities of the system, and know that word from libpq 16 on. Other clients trust the authorities of their own surroundings.
`)
  })

  test('a run with nothing to do', () => {
    expect(formatSummary(inPlace)).toBe(`### ✅ \`shop\` is up to date

Nothing was changed. The login with \`shop/app-postgresql-secret\` works. 0.31 s.

<details><summary>What was looked at</summary>

|  | now |
| --- | --- |
| PostgreSQL | 16.6, primary, TLS 1.3 |
| Role \`shop\` | login, no dangerous attribute |
| Database \`shop\` | owner \`postgresql1_admin\` |
| Grants | all on the database, \`USAGE\` and \`CREATE\` on \`public\`; not open to \`PUBLIC\` |
| Login | works |
| Secret \`shop/app-postgresql-secret\` | up to date |

</details>
`)
  })

  test('a drift that was repaired', () => {
    const summary = formatSummary(repaired)
    expect(summary).toContain(`### 🔧 \`shop\` was put right

2 of 6 things differed from what they should be. The login is proven again. **Running Pods need no restart:** the password in the Secret did not change. 0.31 s.

|  | found | done |
| --- | --- | --- |
| Role \`shop\` | its password was not the one in the Secret | set to the Secret's |
| Grants | \`CREATE\` on schema \`public\` was missing | granted |

<details><summary>4 things were already right</summary>
`)
  })

  test('one thing that was repaired', () => {
    const rows = repaired.rows.map((row) =>
      row.subject === 'Grants' ? { subject: row.subject, now: row.now } : row,
    )
    const summary = formatSummary({ ...repaired, changes: repaired.changes.slice(0, 1), rows })
    expect(summary).toContain('1 of 6 things differed from what it should be.')
    expect(summary).toContain('<summary>5 things were already right</summary>')
  })

  test('a Secret that was made anew', () => {
    const summary = formatSummary({
      ...repaired,
      changes: [
        { object: 'role', name: 'shop', action: 'password-set' },
        { object: 'secret', name: 'shop/app-postgresql-secret', action: 'created' },
      ],
      restart:
        '**Restart the Pods that use this Secret:** it was gone, so a new password was made. 4 sessions of `shop` are still open on the old one.',
    })
    expect(summary).toContain(
      'The login is proven again. **Restart the Pods that use this Secret:** it was gone, so a new password was made. 4 sessions of `shop` are still open on the old one. 0.31 s.\n',
    )
    expect(summary).not.toContain('need no restart')
  })

  test('a new role on a database that was there: nobody uses the new Secret yet', () => {
    const summary = formatSummary({
      ...repaired,
      changes: [
        { object: 'role', name: 'shop', action: 'created' },
        { object: 'secret', name: 'shop/app-postgresql-secret', action: 'created' },
      ],
    })
    expect(summary).toMatch(/^### 🔧 /)
    expect(summary).not.toMatch(/were created, and|need no restart|Restart/)
  })

  test('a dry run', () => {
    const summary = formatSummary({ ...provisioned, dryRun: true })
    expect(summary).toMatch(
      /^### 🔍 `shop` would be changed\n\nNothing was changed: this was a dry run\. 0\.55 s\.\n/,
    )
    expect(summary).toContain('| Role `shop` | login, no dangerous attribute | created |')
    expect(summary).not.toContain('| PostgreSQL |')
  })

  test('a dry run with nothing to do', () => {
    expect(formatSummary({ ...inPlace, dryRun: true })).toBe(formatSummary(inPlace))
  })

  test.each([
    ['a first provisioning', provisioned],
    ['nothing to do', inPlace],
    ['a repair', repaired],
  ])('%s without a proof claims none', (_, outcome) => {
    const summary = formatSummary({ ...outcome, rows: [], loginUnchecked: true })
    expect(summary).not.toMatch(/was proven|proven again|works\. /)
    expect(summary).toMatch(/login could not be (proven|checked)/)
  })

  test('what needs a look: a quoted line each, before the table', () => {
    const summary = formatSummary({ ...inPlace, notes: ['one thing', 'another'] })
    expect(summary).toContain('s.\n\n> ⚠️ one thing\n>\n> ⚠️ another\n\n<details>')
  })
})

describe('the summary of a failure', () => {
  const failure = new Failure('service-not-found', 'Service postgres-system/db does not exist.', [
    'A frequent cause is one.',
    'Ask the administrator.',
  ])

  test('says what is wrong, what stands and what to do', () => {
    expect(formatSummary(failed(failure))).toBe(`### ❌ \`shop\`: Service postgres-system/db does not exist.

Nothing was changed.

${fence}text
A frequent cause is one.
Ask the administrator.
${fence}

[What to do about \`service-not-found\`](https://github.com/elastisys/pg-app-user/blob/v1/docs/troubleshooting.md#service-not-found)
`)
  })

  test('says what was changed, and shows how far the run came', () => {
    const summary = formatSummary({ ...provisioned, changes: provisioned.changes.slice(0, 2), failure })
    expect(summary).toContain('\n\nRole and database were created')
    expect(summary).toContain('The next run continues from here.')
    expect(summary).not.toContain('Nothing was changed')
    expect(summary).toContain('<details><summary>What was looked at</summary>')
  })

  test('is there also for a run that did not begin', () => {
    expect(formatFailureSummary(failure)).toMatch(
      /^### ❌ pg-app-user: Service .*\n\nNothing was changed\.\n/,
    )
  })
})

describe('the summary of missing rights', () => {
  test('is a table and the whole Role', () => {
    expect(formatSummary(lackingRights('system:serviceaccount:shop:ci')))
      .toBe(`### ❌ \`shop\`: 3 of 9 rights are missing

Nothing was changed. \`system:serviceaccount:shop:ci\` needs, in namespace \`postgres-system\`:

| right | for |  |
| --- | --- | --- |
| \`get\` secrets \`postgresql1-access\` | reading the access Secret | there |
| \`get\` services \`postgresql1-user-access\` | finding the database | **missing** |
| \`get\`, \`list\` pods | finding the Pod behind the Service | there |
| \`get\`, \`create\` pods/portforward | reaching PostgreSQL | **missing** |

All 3 rights in namespace \`shop\` are there.

**Send this to your administrator.** It adds to what other applications have, and takes nothing away.

${yaml}
# Adds to what other applications have, and takes nothing away. An older Role and RoleBinding called just
# pg-app-user keep working; they are no longer needed once every pipeline that uses them has its own.

apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: pg-app-user-postgresql1-access
  namespace: postgres-system
rules:
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [postgresql1-access]
    verbs: [get]
  - apiGroups: [""]
    resources: [services]
    resourceNames: [postgresql1-user-access]
    verbs: [get]
  - apiGroups: [""]
    resources: [pods]
    verbs: [get, list]
  - apiGroups: [""]
    resources: [pods/portforward]
    verbs: [get, create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: pg-app-user-postgresql1-access-shop-ci
  namespace: postgres-system
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: pg-app-user-postgresql1-access
subjects:
  - kind: ServiceAccount
    name: ci
    namespace: shop
${fence}
`)
  })

  test('names the verbs where a row has only some of them', () => {
    const outcome = lackingRights('kim')
    const { permissions } = outcome
    if (permissions === undefined) throw new Error('this outcome has a report')
    const missing = permissions.missing.filter(({ verb }) => verb === 'create')
    const summary = formatSummary({ ...outcome, permissions: { ...permissions, missing } })
    expect(summary).toMatch(/^### ❌ `shop`: 1 of 9 rights is missing\n/)
    expect(summary).toContain(
      '| `get`, `create` pods/portforward | reaching PostgreSQL | **create missing** |',
    )
  })

  test('says of a right that nobody asked about that it was not asked, and never that it is there', () => {
    const outcome = lackingRights('kim', { dryRun: true })
    const { permissions } = outcome
    if (permissions === undefined) throw new Error('this outcome has a report')
    const readable = formatSummary(outcome)
    expect(readable).toContain(
      'The one right in namespace `shop` is there. 2 more were not asked about.\n\nA dry run does not ask for the rights to write.',
    )
    const lost = permissions.rights.filter(({ namespace }) => namespace === 'shop').slice(0, 1)
    const summary = formatSummary({ ...outcome, permissions: { ...permissions, missing: lost } })
    expect(summary).toContain(
      '| `get`, `patch` secrets `app-postgresql-secret` | keeping the application Secret | **get missing**, patch not asked |\n' +
        '| `create` secrets | creating the application Secret | not asked |',
    )
  })
})

describe('names cannot break out', () => {
  const names = [
    'a|b',
    'a\\|b',
    '`',
    '``',
    'a`b',
    '``<img>`x',
    '`<img src=x>`',
    '<script>alert(1)</script>',
    '</details>',
    '*bold* _it_ ~~no~~ [link](http://x) ![image](http://x)',
    '# heading',
    'two\n# lines',
    '\n\n```\ntext',
    '@elastisys #7',
    '&lt;img&gt;',
    '|||',
  ]
  const outcomes = (name: string): string[] => {
    const rows = [
      { subject: `Role ${codeSpan(name)}`, now: `owner ${codeSpan(name)}`, found: name, done: `x ${name}` },
      { subject: 'Login', now: 'works' },
    ]
    const named = { application: name, rows, notes: [name], cluster: { server: name, namespace: name } }
    const failure = new Failure('service-not-found', `Service ${name} does not exist.`, [name])
    return [
      formatSummary({ ...provisioned, ...named }),
      formatSummary({ ...inPlace, ...named }),
      formatSummary({ ...repaired, ...named, restart: `**Restart:** 4 sessions of ${name}` }),
      formatSummary({ ...failed(failure), ...named, failure }),
      formatSummary({ ...lackingRights(name), application: name }),
      formatFailureSummary(failure),
    ]
  }

  test.each(names)('%j', (name) => {
    for (const summary of outcomes(name)) {
      const outside = withoutCode(summary)
      expect(outside.match(/^#+ .*$/gm)).toHaveLength(1)
      expect(outside.match(/<details>/g)?.length).toBe(outside.match(/<\/details>/g)?.length)
      const lines = outside.split('\n')
      for (const line of lines.filter((each) => each.startsWith('|'))) {
        expect([3, 4]).toContain(line.match(/\|/g)?.length)
      }
      const text = lines.join('\n').replace(/<\/?(details|summary|code)>/g, '')
      expect(text).not.toMatch(/<|`|\*bold\*|_it_|~~|\[link\]|!\[|@elastisys|^(two|# )/m)
    }
  })

  /** What remains when code is taken out as CommonMark reads it: fenced blocks first, then spans. */
  function withoutCode(markdown: string): string {
    return markdown
      .replace(/^(```+)\w*\n[^]*?\n\1$/gm, '')
      .replace(/(?<!`)(`+)(?!`)([^\n]*?)(?<!`)\1(?!`)/g, (_, fence: string, content: string) => {
        // A pipe ends a cell of a table also inside of code.
        return content.includes('|') ? `${fence}|` : ''
      })
  }
})
