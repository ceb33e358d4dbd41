import { expect, test } from '@jest/globals'
import { Failure } from '../../../src/lib/failure.ts'
import { schemaRefused } from '../../../src/provision/database-refusals.ts'
import type { Observed } from '../../../src/provision/observed.ts'
import { plan } from '../../../src/provision/plan.ts'
import type { Wanted } from '../../../src/provision/wanted.ts'
import {
  database,
  foreign,
  found,
  inside,
  mark,
  markOfAnother,
  membership,
  newDatabase,
  noNames,
  role,
  server,
  strange,
  wanted,
} from '../../support/provision.ts'

/** The code, the message, and the lines of the hint. */
type Said = readonly [code: string, message: string, ...hint: readonly string[]]

const grantors = { admin: false, owner: false, application: false }

const rows: readonly (readonly [string, Observed, Partial<Wanted>, Said])[] = [
  [
    'a role that another Secret claims',
    found({ server: { role: { ...role, marker: markOfAnother } } }),
    { username: 'it"s' },
    [
      'role-claimed',
      'Role "it"s" belongs to other/app-postgresql-secret.',
      "This run would publish it as shop/app-postgresql-secret, and each of the two would break the other's login.",
      'A frequent cause is the same names deployed from a second namespace: choose another app-username and app-database.',
      'If the application moved, let the administrator run:',
      '  COMMENT ON ROLE "it""s" IS NULL;',
      'and set existing: adopt in the new place.',
    ],
  ],
  [
    'a role that another Secret of the namespace claims',
    found({ server: { role: { ...role, marker: { ...mark, secret: 'shop/by-another-name' } } } }),
    {},
    [
      'role-claimed',
      'Role "shop" belongs to shop/by-another-name.',
      "This run would publish it as shop/app-postgresql-secret, and each of the two would break the other's login.",
      'If this is the same application: set app-secret: by-another-name. If it is another one: choose another app-username and app-database.',
      'If the application moved, let the administrator run:',
      '  COMMENT ON ROLE "shop" IS NULL;',
      'and set existing: adopt in the new place.',
    ],
  ],
  [
    'a role whose comment cannot be read',
    found({ server: { role: { ...role, unreadable: true } } }),
    {},
    [
      'role-claimed',
      'Role "shop" belongs to an application that is not known: its comment cannot be read.',
      'The comment names pg-app-user, and was written by another version or changed by hand. No input takes such a role over.',
      'The comment may still name the application. To look at it:',
      "  SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'shop';",
      'If that is no other application, let the administrator run:',
      '  COMMENT ON ROLE "shop" IS NULL;',
      'and set existing: adopt here for one run.',
    ],
  ],
  [
    'a database that another application claims',
    found({ server: { claims: [{ role: 'crm', secret: 'crm/secret' }] } }),
    {},
    [
      'database-claimed',
      'Database "shop" belongs to crm/secret.',
      'The comment of role "crm" says so. No input takes the database over: choose another app-database.',
      'If it was given up there for good, let the administrator run:',
      '  COMMENT ON ROLE "crm" IS NULL;',
      'and set existing: adopt here.',
    ],
  ],
  [
    'a database that several claim, two of them in comments that cannot be read',
    found({
      server: {
        claims: [
          { role: 'crm', secret: 'crm/secret' },
          { role: "it's", secret: undefined },
          { role: 'hr', secret: undefined },
        ],
      },
    }),
    {},
    [
      'database-claimed',
      `Database "shop" belongs to crm/secret, the application of role "it's" and the application of role "hr".`,
      `The comments of roles "crm", "it's" and "hr" say so. No input takes the database over: choose another app-database.`,
      `The comments of roles "it's" and "hr" cannot be read: they were written by another version or changed by hand. To look at it:`,
      "  SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'it''s';",
      "  SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'hr';",
      'If it was given up there for good, let the administrator run:',
      '  COMMENT ON ROLE "crm" IS NULL;',
      `  COMMENT ON ROLE "it's" IS NULL;`,
      '  COMMENT ON ROLE "hr" IS NULL;',
      'and set existing: adopt here.',
    ],
  ],
  [
    'a database that another role of this Secret has',
    found({ server: { claims: [{ role: 'former', secret: wanted.secret }] } }),
    {},
    [
      'database-not-ours',
      'Database "shop" belongs to shop/app-postgresql-secret with role "former", and this run names role "shop".',
      'A frequent cause is a changed app-username. What the role owns in the database stays its own.',
      'If the application is to go on with another role: set existing: adopt.',
    ],
  ],
  [
    'a role that has another database',
    found({ server: { role: { ...role, marker: { ...mark, database: 'old' } } } }),
    {},
    [
      'database-not-ours',
      'Role "shop" belongs to shop/app-postgresql-secret with database "old", and this run names database "shop".',
      'A frequent cause is a changed app-database, or a Secret that was edited.',
      'If the application is to go on with another database: set existing: adopt. "old" stays as it is, and is no longer looked after.',
      'If it is another application: give it a role and a Secret of its own, inputs "app-username" and "app-secret".',
    ],
  ],
  [
    'a role that nobody knows, and no Secret',
    found({
      evidence: 'absent',
      secretHasPassword: false,
      secret: { kind: 'create', keys: [] },
      secretNames: noNames,
      server: { role: { ...strange, sessions: 10 } },
    }),
    {},
    [
      'role-not-ours',
      'Role "shop" exists, and nothing says that it belongs to shop/app-postgresql-secret.',
      'It has no pg-app-user comment, that Secret does not exist, and 10 sessions are open as "shop" now.',
      'If it is yours, for example made by hand before: set existing: adopt. It gets a new password,',
      'and whatever still uses the old one stops working.',
      'If it belongs to another application: choose another app-username.',
    ],
  ],
  [
    'a role that nobody knows, and no password',
    found({
      evidence: 'absent',
      secretHasPassword: false,
      secretNames: noNames,
      server: { role: { ...strange, sessions: 10 } },
    }),
    {},
    [
      'role-not-ours',
      'Role "shop" exists, and nothing says that it belongs to shop/app-postgresql-secret.',
      'It has no pg-app-user comment, that Secret has no key PGPASSWORD, and 10 sessions are open as "shop" now.',
      'If it is yours, for example made by hand before: set existing: adopt. It gets a new password,',
      'and whatever still uses the old one stops working.',
      'If it belongs to another application: choose another app-username.',
    ],
  ],
  [
    'a role that nobody knows, and a password that is wrong',
    found({ evidence: 'wrong', server: { role: { ...strange, sessions: 1 } } }),
    {},
    [
      'role-not-ours',
      'Role "shop" exists, and nothing says that it belongs to shop/app-postgresql-secret.',
      'It has no pg-app-user comment, the password of that Secret does not log in, and 1 session is open as "shop" now.',
      "If it is yours, for example made by hand before: set existing: adopt. It gets the Secret's password,",
      'and whatever still uses the old one stops working.',
      'If it belongs to another application: choose another app-username.',
    ],
  ],
  [
    'a role that may not log in',
    found({ server: { role: { ...role, canLogin: false } } }),
    {},
    [
      'role-cannot-login',
      'Role "shop" may not log in (NOLOGIN).',
      'It was locked, most likely on purpose, so this tool does not unlock it. Ask the administrator, who can run:',
      '  ALTER ROLE "shop" LOGIN;',
    ],
  ],
  [
    'a role whose password has expired',
    found({ server: { role: { ...role, expired: true } } }),
    {},
    [
      'role-cannot-login',
      'The password of role "shop" has expired (VALID UNTIL is past).',
      'It was locked, most likely on purpose, so this tool does not unlock it. Ask the administrator, who can run:',
      `  ALTER ROLE "shop" VALID UNTIL 'infinity';`,
    ],
  ],
  [
    'a role that is more than one of an application',
    found({
      evidence: 'wrong',
      server: { role: { ...strange, dangers: ['CREATEROLE', 'CREATEDB'], members: ['kim', 'alex'] } },
    }),
    { existing: 'adopt' },
    [
      'role-privileged',
      'Role "shop" is more than an application role: CREATEROLE, CREATEDB, has member kim, has member alex.',
      'Whoever held its password could do far more than use one database, so this tool never takes such a role over.',
      'Choose another app-username, or let the administrator take those attributes and memberships away.',
    ],
  ],
  [
    'a role of ours that the admin may not change',
    found({ evidence: 'wrong', server: { role: { ...role, alterable: false } } }),
    {},
    [
      'admin-option-missing',
      'The admin "admin" may not change role "shop": it has no ADMIN OPTION on it.',
      'From PostgreSQL 16 on, CREATEROLE reaches only roles on which the admin has ADMIN OPTION.',
      'Its comment says that this tool made or adopted it. Frequent causes of the missing ADMIN OPTION are an upgrade from PostgreSQL 15 or older, which did not need it,',
      'another admin in the access Secret, or an operator that looks after memberships: with CloudNativePG, list "shop" under inRoles of the managed role "admin".',
      'A superuser can run:',
      '  GRANT "shop" TO "admin" WITH ADMIN OPTION;',
    ],
  ],
  [
    'a role of others that the admin may not change',
    found({ evidence: 'wrong', server: { role: { ...strange, alterable: false } } }),
    { existing: 'adopt' },
    [
      'admin-option-missing',
      'The admin "admin" may not change role "shop": it has no ADMIN OPTION on it.',
      'From PostgreSQL 16 on, CREATEROLE reaches only roles on which the admin has ADMIN OPTION.',
      'The creator of a role gets it; another admin or a superuser created this one.',
      'A superuser can run:',
      '  GRANT "shop" TO "admin" WITH ADMIN OPTION;',
    ],
  ],
  [
    'a role that the admin may not act as',
    found({ server: { membership: { ...membership, grantable: false } } }),
    { databaseOwner: 'app' },
    [
      'admin-option-missing',
      'The admin "admin" may not act as role "shop": it has no ADMIN OPTION on it.',
      'From PostgreSQL 16 on, CREATEROLE reaches only roles on which the admin has ADMIN OPTION.',
      'Its comment says that this tool made or adopted it. Frequent causes of the missing ADMIN OPTION are an upgrade from PostgreSQL 15 or older, which did not need it,',
      'another admin in the access Secret, or an operator that looks after memberships: with CloudNativePG, list "shop" under inRoles of the managed role "admin".',
      'A superuser can run:',
      '  GRANT "shop" TO "admin" WITH ADMIN OPTION;',
    ],
  ],
  [
    'a role that the admin may not act as, without CREATEROLE, before PostgreSQL 16',
    found({
      server: {
        versionNumber: 159_999,
        admin: { ...server.admin, createRole: false },
        membership: { ...membership, grantable: false },
      },
    }),
    { databaseOwner: 'app' },
    [
      'admin-rights-missing',
      'The admin "admin" has no CREATEROLE, so it cannot create or change a role.',
      'Check that the access Secret is the one of the database admin. If it is, a superuser can run:',
      '  ALTER ROLE "admin" CREATEROLE;',
    ],
  ],
  [
    'the same without CREATEROLE, from PostgreSQL 16 on',
    found({
      server: {
        versionNumber: 160_000,
        admin: { ...server.admin, createRole: false },
        membership: { ...membership, grantable: false },
      },
    }),
    { databaseOwner: 'app' },
    [
      'admin-option-missing',
      'The admin "admin" may not act as role "shop": it has no ADMIN OPTION on it.',
      'From PostgreSQL 16 on, CREATEROLE reaches only roles on which the admin has ADMIN OPTION.',
      'Its comment says that this tool made or adopted it. Frequent causes of the missing ADMIN OPTION are an upgrade from PostgreSQL 15 or older, which did not need it,',
      'another admin in the access Secret, or an operator that looks after memberships: with CloudNativePG, list "shop" under inRoles of the managed role "admin".',
      'A superuser can run:',
      '  GRANT "shop" TO "admin" WITH ADMIN OPTION;',
    ],
  ],
  [
    'a database to take over from the application, by an admin that is NOINHERIT',
    found({
      server: { database: { ...database, owner: 'shop' }, membership: { ...membership, inheritable: false } },
    }),
    {},
    [
      'admin-rights-missing',
      'The admin "admin" is NOINHERIT, so it cannot take database "shop" over from "shop".',
      'Before PostgreSQL 16, such a role does not inherit the rights of its memberships. A superuser can run:',
      '  ALTER DATABASE "shop" OWNER TO "admin";',
      '  GRANT ALL ON DATABASE "shop" TO "shop";',
      'Or leave the owner as it is: database-owner: app.',
    ],
  ],
  [
    'a role to make, without CREATEROLE',
    found({ server: { role: undefined, admin: { ...server.admin, createRole: false } } }),
    {},
    [
      'admin-rights-missing',
      'The admin "admin" has no CREATEROLE, so it cannot create or change a role.',
      'Check that the access Secret is the one of the database admin. If it is, a superuser can run:',
      '  ALTER ROLE "admin" CREATEROLE;',
    ],
  ],
  [
    'a password to set, without CREATEROLE',
    found({
      evidence: 'wrong',
      server: { role: { ...role, alterable: false }, admin: { ...server.admin, createRole: false } },
    }),
    {},
    [
      'admin-rights-missing',
      'The admin "admin" has no CREATEROLE, so it cannot create or change a role.',
      'Check that the access Secret is the one of the database admin. If it is, a superuser can run:',
      '  ALTER ROLE "admin" CREATEROLE;',
    ],
  ],
  [
    'a database to make, without CREATEDB, by an admin that is to act as another',
    found({
      server: { database: undefined, admin: { ...server.admin, createDatabase: false, actsAs: 'boss' } },
    }),
    {},
    [
      'admin-rights-missing',
      'The admin "admin" has no CREATEDB, so it cannot create a database or change its owner.',
      'It is set to act as "boss" (ALTER ROLE … SET role). This run does not act as that role, so the rights of that role do not count.',
      'Check that the access Secret is the one of the database admin. If it is, a superuser can run:',
      '  ALTER ROLE "admin" CREATEDB;',
    ],
  ],
  [
    'a database to make, by an admin that an operator made',
    found({ server: { database: undefined, admin: { ...server.admin, createDatabase: false } } }),
    { admission: { provider: 'Crunchy', resource: ['spec:', '  users: []'], madeAdmin: true } },
    [
      'admin-rights-missing',
      'The admin "admin" has no CREATEDB, so it cannot create a database or change its owner.',
      'Crunchy creates logins without it, unless its resource asks for it. Add to that resource:',
      '  spec:',
      '    users: []',
    ],
  ],
  [
    'a database to make, by an admin that an operator may have made',
    found({ server: { database: undefined, admin: { ...server.admin, createDatabase: false } } }),
    { admission: { provider: 'Crunchy', resource: ['spec:', '  users: []'], madeAdmin: false } },
    [
      'admin-rights-missing',
      'The admin "admin" has no CREATEDB, so it cannot create a database or change its owner.',
      'Check that the access Secret is the one of the database admin. If it is, a superuser can run:',
      '  ALTER ROLE "admin" CREATEDB;',
      'If Crunchy manages that role, add to its resource instead:',
      '  spec:',
      '    users: []',
    ],
  ],
  [
    'a database that is closed',
    found({ server: { database: { ...database, acceptsConnections: false } } }),
    {},
    [
      'database-closed',
      'Database "shop" does not accept connections (ALLOW_CONNECTIONS is off, or it is being dropped).',
      'It was closed on purpose, or a DROP DATABASE was interrupted. Ask the administrator; this tool does not open it.',
    ],
  ],
  [
    'a database that nothing names',
    found({ secretNames: noNames, evidence: 'wrong', server: { role: undefined, database: foreign } }),
    {},
    [
      'database-not-ours',
      'Database "shop" exists, and nothing says that it belongs to shop/app-postgresql-secret.',
      'It is owned by "dba", and no role of this tool names it.',
      'If it is yours, for example made by hand before: set existing: adopt. It keeps its content and its owner.',
      'If it belongs to another application: choose another app-database.',
    ],
  ],
  [
    'a database of ours that has another owner now',
    found({ server: { database: { ...foreign, granted: false } } }),
    {},
    [
      'database-foreign-owner',
      'Database "shop" is owned by "dba", who is neither the admin nor "shop".',
      'This tool was about to create it; now it has another owner.',
    ],
  ],
  [
    'a database of others, with something to grant',
    found({
      server: { role: strange, database: { ...foreign, grantedOrPublic: false, shutOut: ['pooler'] } },
    }),
    { existing: 'adopt', username: 'it"s' },
    [
      'database-foreign-owner',
      'Database "shop" is owned by "dba", who is neither the admin nor "it"s".',
      'The admin "admin" can grant nothing on it. Its owner "dba" or a superuser can run:',
      '  GRANT ALL ON DATABASE "shop" TO "it""s";',
      '  GRANT CONNECT ON DATABASE "shop" TO "pooler";',
    ],
  ],
  [
    'a database of others, with an owner to set',
    found({ server: { role: strange, database: { ...foreign, grantedOrPublic: false } } }),
    { existing: 'adopt', databaseOwner: 'app' },
    [
      'database-foreign-owner',
      'Database "shop" is owned by "dba", who is neither the admin nor "shop".',
      'The admin "admin" can grant nothing on it. A superuser can run:',
      '  GRANT ALL ON DATABASE "shop" TO "shop";',
      '  ALTER DATABASE "shop" OWNER TO "shop";',
      '  GRANT CONNECT ON DATABASE "shop" TO "admin";',
    ],
  ],
  [
    'a database of ours that is open and has another owner, with an owner to set',
    found({ server: { role, database: { ...foreign, granted: true } } }),
    { existing: 'adopt', databaseOwner: 'admin' },
    [
      'database-foreign-owner',
      'Database "shop" is owned by "dba", who is neither the admin nor "shop".',
      'The admin "admin" can grant nothing on it. A superuser can run:',
      '  ALTER DATABASE "shop" OWNER TO "admin";',
      '  GRANT ALL ON DATABASE "shop" TO "shop";',
    ],
  ],
  [
    'another owner for a database of others',
    found({ server: { role: strange, database: { ...foreign, granted: true } } }),
    { databaseOwner: 'app' },
    [
      'database-not-ours',
      'Database "shop" was not made by this tool, so its owner "dba" stays, and input "database-owner" asks for another.',
      'Leave "database-owner" out to keep the owner. If the database is yours to give away: set existing: adopt.',
    ],
  ],
  [
    'a schema of others',
    found({ inside: { ...inside, schemaGranted: false, schemaOwner: 'dba', schemaGrantors: grantors } }),
    {},
    [
      'grant-ineffective',
      'The admin may not give the rights of "shop" on schema public of database "shop".',
      'PostgreSQL grants nothing then. A frequent cause is a hardened template or another owner.',
      'Its owner "dba" or a superuser can run in that database:',
      '  GRANT USAGE, CREATE ON SCHEMA public TO "shop";',
    ],
  ],
  [
    'a schema of the owner of the database',
    found({
      server: {
        database: { ...foreign, granted: true, publicConnects: false, publicTemporary: false },
        role: { ...role, marker: { ...mark, createdDatabase: false } },
      },
      inside: { ...inside, schemaGranted: false },
    }),
    {},
    [
      'grant-ineffective',
      'The admin may not give the rights of "shop" on schema public of database "shop".',
      'PostgreSQL grants nothing then. A frequent cause is a hardened template or another owner.',
      'The owner of the database, "dba", or a superuser can run in that database:',
      '  GRANT USAGE, CREATE ON SCHEMA public TO "shop";',
    ],
  ],
  [
    'a database without the schema',
    found({
      inside: {
        ...inside,
        schemaExists: false,
        schemaGranted: false,
        schemaOwner: null,
        schemaGrantors: grantors,
      },
    }),
    {},
    [
      'grant-ineffective',
      'The admin may not give the rights of "shop" on schema public, which database "shop" does not have.',
      'PostgreSQL grants nothing then. A frequent cause is a hardened template or another owner.',
      'Its owner "admin" or a superuser can run in it:',
      '  CREATE SCHEMA public;',
      '  GRANT USAGE, CREATE ON SCHEMA public TO "shop";',
    ],
  ],
  [
    'a template with a schema of others',
    found({
      server: { database: undefined },
      inside: { ...inside, schemaGranted: false, schemaOwner: 'dba', schemaGrantors: grantors },
    }),
    {},
    [
      'grant-ineffective',
      'The admin could not give the rights of "shop" on schema public of database "shop", which would be a copy of template1.',
      'In template1 schema public belongs to "dba", and "admin" may not give its rights away. A frequent cause is a hardened template.',
      'A superuser can run in database template1, for this database and all that are made later:',
      '  GRANT USAGE, CREATE ON SCHEMA public TO "admin" WITH GRANT OPTION;',
    ],
  ],
  [
    'a template without the schema',
    found({
      server: { database: undefined },
      inside: {
        ...inside,
        schemaExists: false,
        schemaGranted: false,
        schemaOwner: null,
        schemaGrantors: grantors,
      },
    }),
    {},
    [
      'grant-ineffective',
      'The admin could not give the rights of "shop" on schema public of database "shop", which would be a copy of template1.',
      'Template1 has no schema public. A frequent cause is a hardened template.',
      'A superuser can run in database template1, for this database and all that are made later:',
      '  CREATE SCHEMA public;',
      '  GRANT USAGE, CREATE ON SCHEMA public TO "admin" WITH GRANT OPTION;',
    ],
  ],
  [
    'extensions that are not there',
    found({ server: { unavailableExtensions: ['a', 'b'] } }),
    { extensions: ['a', 'b', 'c'] },
    [
      'extension-unavailable',
      'This PostgreSQL has no extensions "a" and "b".',
      'Check input "extensions". If the name is right, the administrator has to install its files first.',
    ],
  ],
  [
    'extensions that are not trusted',
    found({ server: { untrustedExtensions: ['a', 'b'] } }),
    { extensions: ['a', 'b', 'c'] },
    [
      'extension-not-trusted',
      'Extensions "a" and "b" are not trusted: only a superuser may create them (42501).',
      'Ask the administrator to let a superuser run in database "shop":',
      '  CREATE EXTENSION IF NOT EXISTS "a" SCHEMA public;',
      '  CREATE EXTENSION IF NOT EXISTS "b" SCHEMA public;',
    ],
  ],
  [
    'an extension that is not trusted, for a database that is yet to be made',
    found({ server: { database: undefined, untrustedExtensions: ['a'] } }),
    { extensions: ['a', 'c'] },
    [
      'extension-not-trusted',
      'Extension "a" is not trusted: only a superuser may create it (42501).',
      'Leave it out of input "extensions" for now, so that the database gets made. Then let a superuser run in it:',
      '  CREATE EXTENSION IF NOT EXISTS "a" SCHEMA public;',
    ],
  ],
  [
    'extensions in a database in which the admin may create nothing',
    found({
      server: {
        role: { ...role, marker: { ...mark, createdDatabase: false } },
        database: { ...foreign, publicConnects: false },
      },
    }),
    { extensions: ['a', 'b'] },
    [
      'extension-not-trusted',
      'The admin may not create extensions "a" and "b" in database "shop": the admin has no CREATE on it.',
      'Its owner "dba" or a superuser can run in that database:',
      '  CREATE EXTENSION IF NOT EXISTS "a" SCHEMA public;',
      '  CREATE EXTENSION IF NOT EXISTS "b" SCHEMA public;',
    ],
  ],
  [
    'a name that is another one in the encoding of the database',
    found({ server: { database: { ...database, otherEncoding: 'LATIN1' } } }),
    { username: 'åsa' },
    [
      'input-invalid',
      'Role "åsa" cannot be used in database "shop": that database has the encoding LATIN1, in which a name outside ASCII becomes a different name.',
      'PostgreSQL keeps the names of roles as the bytes of the database in which they were made.',
      'Choose another app-username, of ASCII characters alone.',
    ],
  ],
  [
    'a name that would be another one in the encoding of the database',
    found({ server: { database: undefined, newDatabase: { ...newDatabase, otherEncoding: 'LATIN1' } } }),
    { username: 'åsa' },
    [
      'input-invalid',
      'Role "åsa" cannot be used in database "shop": that database would have the encoding LATIN1, in which a name outside ASCII becomes a different name.',
      'PostgreSQL keeps the names of roles as the bytes of the database in which they were made.',
      'Choose another app-username, of ASCII characters alone.',
      'Or ask the administrator for a template1 with the encoding of database "postgres".',
    ],
  ],
  [
    'a role that nobody could log in to with a new password',
    found({ evidence: 'wrong', server: { role: { ...role, full: 'role' } } }),
    {},
    [
      'connection-limit',
      'PostgreSQL has no connection left for "shop": the CONNECTION LIMIT of role "shop" is reached.',
      'The role needs another password, which could not be proven now; the one that it has stays until then.',
      'Close sessions, or let the administrator raise the limit (ALTER ROLE … CONNECTION LIMIT).',
    ],
  ],
  [
    'a database that nobody could log in to with a new password',
    found({ evidence: 'absent', server: { role: { ...role, full: 'database' } } }),
    { username: 'shop' },
    [
      'connection-limit',
      'PostgreSQL has no connection left for "shop": the CONNECTION LIMIT of database "shop" is reached.',
      'The role needs another password, which could not be proven now; the one that it has stays until then.',
      'Close sessions, or let the administrator raise the limit (ALTER DATABASE … CONNECTION LIMIT).',
    ],
  ],
  [
    'a name that no login would find',
    found({ server: { homeEncoding: 'LATIN1' } }),
    { username: 'åsa' },
    [
      'input-invalid',
      'Role "åsa" cannot be used on this server: its database "postgres" has the encoding LATIN1, in which a name outside ASCII is made of other bytes than a login sends.',
      'PostgreSQL compares the names of a login byte by byte, and clients send them in UTF-8.',
      'Choose another app-username, of ASCII characters alone.',
      'Or begin in a database with the encoding UTF8, if there is one: input "access-database".',
    ],
  ],
  [
    'two names that no login would find',
    found({ server: { role: undefined, database: undefined, homeEncoding: 'EUC_JP' } }),
    { username: 'åsa', database: 'bütik' },
    [
      'input-invalid',
      'Role "åsa" and database "bütik" cannot be used on this server: its database "postgres" has the encoding EUC_JP, in which a name outside ASCII is made of other bytes than a login sends.',
      'PostgreSQL compares the names of a login byte by byte, and clients send them in UTF-8.',
      'Choose another app-username and app-database, of ASCII characters alone.',
      'Or begin in a database with the encoding UTF8, if there is one: input "access-database".',
    ],
  ],
  [
    'a configuration that takes no changes',
    found({ evidence: 'wrong', server: { readOnly: { admin: 'server', inside: null, application: null } } }),
    {},
    [
      'database-read-only',
      "PostgreSQL takes no changes: default_transaction_read_only is on in the server's configuration.",
      'This is the primary, so waiting does not help. A frequent cause is a full disk: an operator or an administrator then sets this.',
      'Ask the administrator to take it out of the configuration.',
    ],
  ],
  [
    'no changes by any role',
    found({ evidence: 'wrong', server: { readOnly: { admin: 'all', inside: null, application: null } } }),
    {},
    [
      'database-read-only',
      'PostgreSQL takes no changes: default_transaction_read_only is on for all roles.',
      'This is the primary, so waiting does not help. A frequent cause is a full disk: an operator or an administrator then sets this.',
      'Ask the administrator. If the reason is gone, a superuser can run:',
      '  ALTER ROLE ALL RESET default_transaction_read_only;',
    ],
  ],
  [
    'no changes in the database of the admin',
    found({
      evidence: 'wrong',
      server: { readOnly: { admin: 'database', inside: 'role', application: 'role' } },
    }),
    { home: 'defaultdb' },
    [
      'database-read-only',
      'PostgreSQL takes no changes: default_transaction_read_only is on for database "defaultdb".',
      'This is the primary, so waiting does not help. A frequent cause is a full disk: an operator or an administrator then sets this.',
      'Ask the administrator. If the reason is gone, a superuser can run:',
      '  ALTER DATABASE "defaultdb" RESET default_transaction_read_only;',
    ],
  ],
  [
    'no changes by the role of the application',
    found({ evidence: 'wrong', server: { readOnly: { admin: null, inside: null, application: 'role' } } }),
    {},
    [
      'database-read-only',
      'PostgreSQL takes no changes: default_transaction_read_only is on for role "shop".',
      'This is the primary, so waiting does not help. A frequent cause is a full disk: an operator or an administrator then sets this.',
      'Ask the administrator. If the reason is gone, a superuser can run:',
      '  ALTER ROLE "shop" RESET default_transaction_read_only;',
    ],
  ],
  [
    'no changes by the admin in the database of the application',
    found({ evidence: 'wrong', server: { readOnly: { admin: null, inside: 'both', application: 'role' } } }),
    {},
    [
      'database-read-only',
      'PostgreSQL takes no changes: default_transaction_read_only is on for role "admin" in database "shop".',
      'This is the primary, so waiting does not help. A frequent cause is a full disk: an operator or an administrator then sets this.',
      'Ask the administrator. If the reason is gone, a superuser can run:',
      '  ALTER ROLE "admin" IN DATABASE "shop" RESET default_transaction_read_only;',
    ],
  ],
  [
    'settings that this PostgreSQL does not have',
    found({ server: { version: '13.5', versionNumber: 130_005 } }),
    {
      settings: [
        { name: 'lock_timeout', value: '5s' },
        { name: 'idle_session_timeout', value: '5s' },
        { name: 'transaction_timeout', value: '5s' },
      ],
    },
    [
      'input-invalid',
      'PostgreSQL 13.5 has no settings "idle_session_timeout" and "transaction_timeout", which input "role-settings" names.',
      'idle_session_timeout came with 14 and transaction_timeout came with 17: leave them out until then.',
    ],
  ],
  [
    'roles to let in that do not exist',
    found({ server: { unknownRoles: ['a', 'b'] } }),
    {},
    [
      'connect-role-unknown',
      'PostgreSQL has no roles "a" and "b", which input "connect-roles" names.',
      'Check the spelling; upper and lower case differ. Or leave out what does not exist.',
    ],
  ],
]

test.each(rows)('refused: %s', (_, given, want, said) => {
  const failure = plan(given, { ...wanted, ...want })
  expect(failure instanceof Failure ? [failure.code, failure.message, ...failure.hint] : failure).toEqual(
    said,
  )
})

test('what the server said stays with a refusal for the log of an error', () => {
  const cause = new Error('permission denied for schema public')
  expect(schemaRefused(inside, server, wanted, cause).cause).toBe(cause)
})
