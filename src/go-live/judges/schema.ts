import { count, oneLine } from '../../lib/text.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import type { CollationVersions } from '../observe-inside.ts'
import { firstOf, weighInside, type Weighed } from './weigh.ts'

/** `primary-keys`: rows can be told apart, which logical replication and repair need. */
export function judgePrimaryKeys(observed: Observations): Judgement {
  const topic = {
    query:
      "select relname from pg_class where relkind in ('r', 'p') except select … from pg_index where indisprimary",
    wanted: 'a primary key for every table',
  }
  return weighInside(
    observed,
    topic,
    ({ keyless }) => keyless,
    ({ total, wrong, items }) => {
      const answer = `${count(total, 'table')}, ${wrong} without`
      if (total === 0) return { verdict: 'not applicable', seen: 'there is no table yet', answer }
      if (wrong === 0) return { verdict: 'met', seen: `${count(total, 'table')}, each has one`, answer }
      const remedy = 'a migration with ALTER TABLE … ADD PRIMARY KEY, as the owner of the table'
      return {
        verdict: 'not met',
        seen: `${wrong} of ${count(total, 'table')} ${wrong === 1 ? 'has' : 'have'} none: ${firstOf(items, wrong)}`,
        remedy,
        answer,
      }
    },
  )
}

/** `indexes`: none was left half-built. */
export function judgeIndexes(observed: Observations): Judgement {
  const topic = {
    query: 'select indexrelid::regclass from pg_index where not indisvalid',
    wanted: 'none is invalid',
  }
  return weighInside(
    observed,
    topic,
    ({ invalidIndexes }) => invalidIndexes,
    ({ total, wrong, items }) => {
      const building = items.filter((index) => index.building)
      const invalid = wrong - building.length
      const answer = `${total} ${total === 1 ? 'index' : 'indexes'}, ${invalid} invalid, ${building.length} being built`
      const warnings = building.map(({ name }) => `${oneLine(name, 80)} is being built`)
      if (invalid === 0) return { verdict: 'met', seen: answer, answer, warnings }
      const names = items.filter((index) => !index.building).map(({ name }) => name)
      return {
        verdict: 'not met',
        seen: `invalid: ${firstOf(names, invalid)}`,
        remedy:
          'REINDEX INDEX CONCURRENTLY, or DROP INDEX CONCURRENTLY where nobody misses it, as the owner of the table; one of a partitioned table needs an index on each partition',
        answer,
        warnings,
      }
    },
  )
}

/** `collation`: text is sorted by the library that the indexes were built with. */
export function judgeCollation(observed: Observations): Judgement {
  const topic = {
    query:
      'select datcollversion, pg_database_collation_actual_version(oid) from pg_database; select collname, collversion, pg_collation_actual_version(oid) from pg_collation',
    wanted: 'the versions that were recorded',
  }
  const { inside, sql } = observed
  if (sql.versionNumber < 150_000) {
    const seen = 'PostgreSQL records no version of a database before 15'
    return { verdict: 'not applicable', wanted: topic.wanted, seen, evidence: [] }
  }
  const collations = inside?.collations
  return weighInside(
    observed,
    topic,
    () => collations ?? { hidden: 'it was not asked for' },
    ({ database, objects }): Weighed => {
      const differs = database.recorded !== database.actual
      const used =
        objects.total === 0 ? '' : `; ${objects.wrong} of ${count(objects.total, 'collation')} in use differ`
      const answer = `the database: ${versionWords(database)}${used}`
      if (!differs && objects.wrong === 0) {
        return database.actual === null && objects.total === 0
          ? { verdict: 'not applicable', seen: 'no collation in use has a version', answer }
          : { verdict: 'met', seen: answer, answer }
      }
      const names = [
        ...(differs ? [`the database (${versionWords(database)})`] : []),
        ...objects.items.map((each) => `${each.name} (${versionWords(each)})`),
      ]
      return {
        verdict: 'not met',
        seen: firstOf(names, objects.wrong + (differs ? 1 : 0)),
        remedy:
          'REINDEX what sorts text, as its owner; then ALTER DATABASE … REFRESH COLLATION VERSION or ALTER COLLATION … REFRESH VERSION, as the owner of that',
        answer,
      }
    },
  )
}

function versionWords({ recorded, actual }: CollationVersions): string {
  if (recorded === actual) return actual === null ? 'has no version' : oneLine(actual, 40)
  return `recorded ${oneLine(recorded ?? 'nothing', 40)}, now ${oneLine(actual ?? 'nothing', 40)}`
}

/** `sequences`: numbers do not run out. */
export function judgeSequences(observed: Observations, { thresholds }: Rules): Judgement {
  const most = thresholds.maxSequenceUsed
  const topic = {
    query: 'select sequencename, data_type, last_value, max_value from pg_sequences',
    wanted: `at most ${most} % used`,
  }
  return weighInside(
    observed,
    topic,
    ({ sequences }) => sequences,
    ({ total, read, hidden, furthest }) => {
      const [first] = furthest
      const words = furthest.map(
        ({ name, used, last, end }) => `${oneLine(name, 80)} ${used} % (${last} of ${end})`,
      )
      const answer = `${count(total, 'sequence')}, ${read} looked at, ${hidden} without permission; ${words.join(', ') || 'none in use'}`
      if (total === 0)
        return { verdict: 'not applicable', seen: 'there is no sequence that can run out', answer }
      const far = furthest.filter(({ used }) => used > most)
      if (far.length > 0) {
        return {
          verdict: 'not met',
          seen: words.slice(0, Math.min(far.length, 3)).join(', '),
          remedy:
            'a migration to bigint, of the column and of its sequence (ALTER SEQUENCE … AS bigint), as the owner of the table',
          answer,
        }
      }
      if (hidden > 0) {
        const remedy = 'GRANT SELECT ON SEQUENCE … to the application, by the owner'
        return {
          verdict: 'unknown',
          seen: `no permission to read ${hidden} of ${count(total, 'sequence')}`,
          remedy,
          answer,
        }
      }
      if (read < total) {
        const seen = `only ${read} of ${total} sequences could be looked at`
        return { verdict: 'unknown', seen, remedy: 'look at the others, and waive it', answer }
      }
      const seen =
        first === undefined ? `${count(total, 'sequence')}, none in use` : `the furthest: ${words[0] ?? ''}`
      return { verdict: 'met', seen, answer }
    },
  )
}
