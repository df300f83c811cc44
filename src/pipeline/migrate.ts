import { join } from 'node:path'
import { failure, MIGRATION_PENDING, STORE_UNKNOWN } from '../errors/index.js'
import { openJournal } from '../journal/index.js'
import type { OpenStore, Store, StoreSql } from '../stores/index.js'
import {
  dialectsOf,
  type Migration,
  type MigrationState,
  migrateDown,
  migrateUp,
  migrationStates,
  readMigrations,
  readSqlTests,
  requireUnchanged,
  runSqlTest,
  type SqlTestResult,
} from '../sync/index.js'
import { memoryShare } from './operations.js'
import { newRunId } from './run.js'
import { RunMetrics } from './run-metrics.js'
import { openStores } from './stores.js'
import type { Workspace } from './workspace.js'

/** One store's migrations, as `sluice migrate --json` prints them. */
export interface StoreMigrations {
  readonly store: string
  readonly address: string
  readonly migrations: readonly MigrationState[]
  /** Why nothing is done: its files are for other dialects, or it runs no SQL. */
  readonly leftOut?: string
}

export interface StoreTests {
  readonly store: string
  readonly results: readonly SqlTestResult[]
}

type Body<Result> = (name: string, store: Store, open: OpenStore, sql: StoreSql) => Promise<Result>

/** The project's stores of these names, or all. Throws STORE_UNKNOWN. */
export function namedStores({ project }: Workspace, names: readonly string[]): [string, Store][] {
  const stores = project.config.stores ?? {}
  const unknown = names.find((name) => !Object.hasOwn(stores, name))
  if (unknown !== undefined) throw failure(STORE_UNKNOWN, { name: unknown, known: Object.keys(stores) })
  return Object.entries(stores).filter(([name]) => names.length === 0 || names.includes(name))
}

async function eachStore<Result>(
  workspace: Workspace,
  names: readonly string[],
  body: Body<Result>,
  without: (name: string, store: Store) => Result | undefined,
): Promise<Result[]> {
  const stores = openStores(workspace)
  try {
    const results: Result[] = []
    for (const [name, store] of namedStores(workspace, names)) {
      if (!store.capabilities.sql) {
        const result = without(name, store)
        if (result !== undefined) results.push(result)
        continue
      }
      const open = await stores.open(store)
      if (open.sql !== undefined) results.push(await body(name, store, open, open.sql))
    }
    return results
  } finally {
    await stores.close()
    await workspace.close()
  }
}

/** `sql/migrations/<store>/` */
function migrationsOf(workspace: Workspace, name: string, sql: StoreSql): { found: Migration[]; leftOut?: string } {
  const folder = join(workspace.project.folder, 'sql', 'migrations', name)
  const found = readMigrations(folder, sql.dialect)
  const others = dialectsOf(folder).filter((dialect) => dialect !== sql.dialect)
  return found.length === 0 && others.length > 0 ? { found, leftOut: `its migrations are for ${others.join(', ')}` } : { found }
}

/** The migrations that a store lacks, `002_taxi_trips`. Throws MIGRATION_CHANGED. */
export async function migrationsPending(workspace: Workspace, open: OpenStore, store: Store): Promise<string[]> {
  const [name] = Object.entries(workspace.project.config.stores ?? {}).find(([, one]) => one === store) ?? []
  if (name === undefined || open.sql === undefined) return []
  const { found } = migrationsOf(workspace, name, open.sql)
  if (found.length === 0) return []
  const states = await migrationStates(open.sql, found)
  requireUnchanged(states)
  return states.filter((one) => one.status !== 'applied').map((one) => `${one.version}_${one.name}`)
}

/** A table that migrations are to make is not made by anything else. Throws MIGRATION_PENDING, MIGRATION_CHANGED. */
export async function requireMigrated(workspace: Workspace, open: OpenStore, store: Store): Promise<void> {
  const pending = await migrationsPending(workspace, open, store)
  if (pending.length > 0) throw failure(MIGRATION_PENDING, { count: pending.length, migrations: pending.join(', ') })
}

/** Applies what is pending, store by store. Throws MIGRATION_*, STORE_*. */
export function migrateStoresUp(
  workspace: Workspace,
  names: readonly string[],
  onApplied: (store: string, state: MigrationState) => void,
): Promise<StoreMigrations[]> {
  return eachStore(
    workspace,
    names,
    async (name, store, open, sql) => {
      const { found, leftOut } = migrationsOf(workspace, name, sql)
      const migrations = found.length === 0 ? [] : await migrateUp(open, sql, found, { onApplied: (state) => onApplied(name, state) })
      return { store: name, address: store.describe(), migrations, ...(leftOut === undefined ? {} : { leftOut }) }
    },
    () => undefined,
  )
}

/** Takes the newest migration of each back. */
export function migrateStoresDown(workspace: Workspace, names: readonly string[]): Promise<StoreMigrations[]> {
  return eachStore(
    workspace,
    names,
    async (name, store, open, sql) => {
      const { found, leftOut } = migrationsOf(workspace, name, sql)
      const undone = found.length === 0 ? undefined : await migrateDown(open, sql, found)
      const migrations = undone === undefined ? [] : [undone]
      return { store: name, address: store.describe(), migrations, ...(leftOut === undefined ? {} : { leftOut }) }
    },
    () => undefined,
  )
}

export function migrationStatus(workspace: Workspace, names: readonly string[]): Promise<StoreMigrations[]> {
  return eachStore(
    workspace,
    names,
    async (name, store, _, sql) => {
      const { found, leftOut } = migrationsOf(workspace, name, sql)
      const migrations = found.length === 0 ? [] : await migrationStates(sql, found)
      return { store: name, address: store.describe(), migrations, ...(leftOut === undefined ? {} : { leftOut }) }
    },
    (name, store) => ({ store: name, address: store.describe(), migrations: [], leftOut: 'it runs no SQL' }),
  )
}

/** The slowest query is what an alert goes by. What cannot be kept does not fail the tests. */
async function recordQueries(workspace: Workspace, store: Store, results: readonly SqlTestResult[]): Promise<void> {
  if (results.length === 0) return
  try {
    const session = await workspace.connect()
    const metrics = new RunMetrics(workspace)
    metrics.operation({
      at: new Date(),
      store: store.kind,
      operation: 'query',
      cpu: 0,
      memory: memoryShare(),
      latencyMs: Math.max(...results.map((one) => one.durationMs)),
      rows: 0,
      mismatches: 0,
      errors: results.filter((one) => one.status === 'failed').length,
    })
    await metrics.keep(await openJournal(workspace.lake, workspace.storage, session), newRunId())
  } catch {
    // A lake that cannot be written to is another command's to complain of.
  }
}

/** Runs the tests of `sql/tests/<store>/`; those for another dialect are skipped, and say so. */
export function testStores(
  workspace: Workspace,
  names: readonly string[],
  onResult: (store: string, result: SqlTestResult) => void,
): Promise<StoreTests[]> {
  return eachStore(
    workspace,
    names,
    async (name, store, _, sql) => {
      const { tests, others } = readSqlTests(join(workspace.project.folder, 'sql', 'tests', name), sql.dialect)
      const results: SqlTestResult[] = []
      const add = (result: SqlTestResult) => {
        results.push(result)
        onResult(name, result)
      }
      for (const test of tests) {
        workspace.signal?.throwIfAborted()
        add(await runSqlTest(sql, test))
      }
      await recordQueries(workspace, store, results)
      for (const { file, dialect } of others)
        add({ name: file, file, status: 'skipped', durationMs: 0, problem: `it is for ${dialect}, and ${name} is ${store.describe()}` })
      return { store: name, results }
    },
    () => undefined,
  )
}
