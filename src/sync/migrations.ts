import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { failure, isSluiceError, MIGRATION_CHANGED, MIGRATION_FAILED, MIGRATION_INVALID, messageOf } from '../errors/index.js'
import type { OpenStore, StoreSql } from '../stores/index.js'
import { type Statement, statementsOf } from './statements.js'

/** A file of `sql/migrations/<store>/`: `002_taxi_trips.sql`, or `002_taxi_trips.mysql.sql` for one dialect only. */
export interface Migration {
  /** `002` */
  readonly version: string
  /** `taxi_trips` */
  readonly name: string
  readonly file: string
  /** SHA-256 of what is run to apply it. */
  readonly checksum: string
  readonly up: readonly Statement[]
  readonly down: readonly Statement[]
}

export interface MigrationState {
  readonly version: string
  readonly name: string
  /** `unfinished`: some of its statements ran; `changed`: its file is no longer the one that was applied; `gone`: its file is not there. */
  readonly status: 'applied' | 'pending' | 'unfinished' | 'changed' | 'gone'
  readonly appliedAt?: string
  readonly durationMs?: number
}

const FILE = /^(\d+)_([A-Za-z0-9_-]+)(?:\.([a-z]+))?\.sql$/

/** The migrations of a folder for one dialect, in order. Files for other dialects are left out. Throws MIGRATION_INVALID. */
export function readMigrations(folder: string, dialect: string): Migration[] {
  if (!existsSync(folder)) return []
  const found: Migration[] = []
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()) {
    const [, version, name, only] = FILE.exec(file) ?? []
    if (version === undefined || name === undefined)
      throw failure(MIGRATION_INVALID, { file: join(folder, file), problem: 'its name is not 001_what_it_does.sql' })
    if (only !== undefined && only !== dialect) continue
    const twin = found.find((one) => Number(one.version) === Number(version))
    if (twin !== undefined) throw failure(MIGRATION_INVALID, { file: join(folder, file), problem: `${twin.file} has the same number` })
    const { up, down } = directions(readFileSync(join(folder, file), 'utf8'))
    found.push({
      version,
      name,
      file,
      checksum: createHash('sha256').update(up.replace(/\r\n/g, '\n').trim()).digest('hex'),
      up: statementsOf(up, dialect),
      down: statementsOf(down, dialect),
    })
  }
  return found.sort((one, other) => Number(one.version) - Number(other.version))
}

/** The dialects for which a folder has files, for those who ask why nothing is done. */
export function dialectsOf(folder: string): string[] {
  if (!existsSync(folder)) return []
  return [...new Set(readdirSync(folder).flatMap((file) => FILE.exec(file)?.[3] ?? []))].sort()
}

/** `-- up` and `-- down`, on lines of their own, part a file; without them all of it is up. Lines keep their numbers. */
function directions(text: string): { up: string; down: string } {
  let side: 'up' | 'down' = 'up'
  const parts = { up: [] as string[], down: [] as string[] }
  for (const line of text.split('\n')) {
    const marked = /^--\s*(?:migrate:\s*)?(up|down)\s*$/i.exec(line)?.[1]?.toLowerCase()
    if (marked === 'up' || marked === 'down') side = marked
    parts[side].push(line)
    parts[side === 'up' ? 'down' : 'up'].push('')
  }
  return { up: parts.up.join('\n'), down: parts.down.join('\n') }
}

interface Applied {
  readonly version: string
  readonly name: string
  readonly checksum: string
  /** Statements that have run; null when all have. */
  readonly statements: number | null
  readonly appliedAt: string
  readonly durationMs: number
}

const LOCK = 'sluice_migrate'
const LOCK_WAIT_MS = 10_000
const TABLE = `CREATE TABLE IF NOT EXISTS schema_version (
  version VARCHAR(20) NOT NULL PRIMARY KEY,
  name VARCHAR(200) NOT NULL,
  checksum CHAR(64) NOT NULL,
  statements INTEGER NULL,
  applied_at VARCHAR(30) NOT NULL,
  duration_ms BIGINT NOT NULL
)`

/** Where each migration stands, the unknown ones that the store has among them. */
export async function migrationStates(sql: StoreSql, migrations: readonly Migration[]): Promise<MigrationState[]> {
  const applied = new Map((await readApplied(sql)).map((one) => [one.version, one]))
  const known = migrations.map(({ version, name, checksum }): MigrationState => {
    const one = applied.get(version)
    applied.delete(version)
    if (one === undefined) return { version, name, status: 'pending' }
    const status = one.statements !== null ? 'unfinished' : one.checksum === checksum ? 'applied' : 'changed'
    return { version, name, status, appliedAt: one.appliedAt, durationMs: one.durationMs }
  })
  const gone = [...applied.values()].map(
    ({ version, name, appliedAt, durationMs }): MigrationState => ({ version, name, status: 'gone', appliedAt, durationMs }),
  )
  return [...known, ...gone].sort((one, other) => Number(one.version) - Number(other.version))
}

/**
 * Applies the pending migrations, in order, one migrator at a time. Where the store's transactions hold DDL (PostgreSQL, DuckDB) one is there
 * whole or not at all; on MySQL each statement that ran is noted, and one that failed is gone on with at the statement that failed.
 * Throws MIGRATION_CHANGED before anything is run, MIGRATION_FAILED, STORE_LOCK_HELD.
 */
export async function migrateUp(
  store: OpenStore,
  sql: StoreSql,
  migrations: readonly Migration[],
  {
    onApplied = () => {},
    now = () => new Date(),
  }: { readonly onApplied?: (state: MigrationState) => void; readonly now?: () => Date } = {},
): Promise<MigrationState[]> {
  return sql.locked(LOCK, LOCK_WAIT_MS, async () => {
    const connection = await sql.connection()
    const done: MigrationState[] = []
    try {
      await connection.run(TABLE)
      requireUnchanged(await migrationStates(sql, migrations))
      const held = new Map((await readApplied(sql)).map((one) => [one.version, one]))
      for (const migration of migrations) {
        const before = held.get(migration.version)
        if (before !== undefined && before.statements === null) continue
        const began = now()
        const row = (statements: number | null) => noteSql(migration, statements, began.toISOString(), now().getTime() - began.getTime())
        const whole = sql.dialect !== 'mysql'
        if (whole) await connection.run('BEGIN')
        let number = before?.statements ?? 0
        try {
          if (before === undefined) await connection.run(row(0).insert)
          for (const statement of migration.up.slice(number)) {
            await connection.run(statement.text)
            number += 1
            if (!whole) await connection.run(row(number).update)
          }
          await connection.run(row(null).update)
          if (whole) await connection.run('COMMIT')
        } catch (thrown) {
          if (whole) await connection.run('ROLLBACK').catch(() => {})
          throw failed(migration, number, thrown, store.version, whole)
        }
        const state: MigrationState = {
          version: migration.version,
          name: migration.name,
          status: 'applied',
          appliedAt: began.toISOString(),
          durationMs: now().getTime() - began.getTime(),
        }
        done.push(state)
        onApplied(state)
      }
      return done
    } finally {
      await connection.close()
    }
  })
}

/** Takes back the newest applied migration, by its `-- down`. Throws MIGRATION_INVALID where there is none. */
export async function migrateDown(store: OpenStore, sql: StoreSql, migrations: readonly Migration[]): Promise<MigrationState | undefined> {
  return sql.locked(LOCK, LOCK_WAIT_MS, async () => {
    const newest = (await readApplied(sql)).sort((one, other) => Number(other.version) - Number(one.version))[0]
    if (newest === undefined) return undefined
    const migration = migrations.find((one) => one.version === newest.version)
    if (migration === undefined || migration.down.length === 0)
      throw failure(MIGRATION_INVALID, {
        file: migration?.file ?? newest.name,
        problem: 'it has no `-- down` part, so it cannot be taken back',
      })
    const connection = await sql.connection()
    const whole = sql.dialect !== 'mysql'
    let number = 0
    try {
      if (whole) await connection.run('BEGIN')
      for (const statement of migration.down) {
        await connection.run(statement.text)
        number += 1
      }
      // The first one may have taken the table of versions itself away.
      await connection.run(`DELETE FROM schema_version WHERE version = '${newest.version}'`).catch((error: unknown) => {
        if (migration !== migrations[0]) throw error
      })
      if (whole) await connection.run('COMMIT')
      return { version: newest.version, name: newest.name, status: 'pending' }
    } catch (thrown) {
      if (whole) await connection.run('ROLLBACK').catch(() => {})
      throw failed({ ...migration, up: migration.down }, number, thrown, store.version, whole)
    } finally {
      await connection.close()
    }
  })
}

/** Throws MIGRATION_CHANGED. */
export function requireUnchanged(states: readonly MigrationState[]): void {
  const changed = states.filter((one) => one.status === 'changed' || one.status === 'gone')
  if (changed.length === 0) return
  throw failure(MIGRATION_CHANGED, {
    migrations: changed.map((one) => `${one.version}_${one.name}${one.status === 'gone' ? ' (gone)' : ''}`).join(', '),
  })
}

async function readApplied(sql: StoreSql): Promise<Applied[]> {
  const rows = await sql
    .query('SELECT version, name, checksum, statements, applied_at, duration_ms FROM schema_version')
    .catch((error: unknown) => {
      // Before the first migration there is no such table.
      if (isSluiceError(error) && error.retry === 'terminal' && error.code !== 'STORE_DENIED') return []
      throw error
    })
  return rows.map((row) => ({
    version: String(row['version']),
    name: String(row['name']),
    checksum: String(row['checksum']).trim(),
    statements: row['statements'] === null || row['statements'] === undefined ? null : Number(row['statements']),
    appliedAt: String(row['applied_at']),
    durationMs: Number(row['duration_ms']),
  }))
}

/** Versions are digits, names letters, digits, `_` and `-`: nothing of them needs quoting. */
function noteSql({ version, name, checksum }: Migration, statements: number | null, at: string, durationMs: number) {
  const done = statements ?? 'NULL'
  return {
    insert: `INSERT INTO schema_version (version, name, checksum, statements, applied_at, duration_ms) VALUES ('${version}', '${name}', '${checksum}', ${done}, '${at}', ${durationMs})`,
    update: `UPDATE schema_version SET checksum = '${checksum}', statements = ${done}, duration_ms = ${durationMs} WHERE version = '${version}'`,
  }
}

function failed(migration: Migration, number: number, thrown: unknown, server: string, whole: boolean) {
  const statement = migration.up[number]
  if (isSluiceError(thrown) && thrown.retry === 'transient') return thrown
  return failure(
    MIGRATION_FAILED,
    {
      file: migration.file,
      number: number + 1,
      line: statement?.line ?? 1,
      server,
      problem: messageOf(thrown),
      advice: whole
        ? 'Nothing of it is left. Mend the file, then run `sluice migrate up` again.'
        : 'The statements before it stay. Mend the file from that statement on, then run `sluice migrate up` again: it goes on there.',
    },
    { cause: thrown },
  )
}
