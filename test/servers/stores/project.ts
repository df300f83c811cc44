import { randomUUID } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { MongoClient } from 'mongodb'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { expect } from 'vitest'
import { describeWith, type Ended, sluice, temporaryFolder } from '../../fixtures.js'

/** A `describe` for tests of the command line over all three servers. */
export function describeWithStores(name: string, body: () => void): void {
  const needed = ['MYSQL_URL', 'POSTGRES_URL', 'MONGODB_URL']
  const advice = 'three servers: `npm run services -- up mysql postgres mongodb`, then `set -a; . .services/env; set +a`'
  describeWith(
    name,
    body,
    needed.every((variable) => process.env[variable] !== undefined),
    advice,
  )
}

/** Runs SQL on an engine of the test's own, which is not the one under test, and gives its rows as text. */
export async function engineText(sql: string): Promise<(string | null)[][]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const answer = await connection.runAndReadAll(sql)
    return answer.getRows().map((row) => row.map((value) => (value === null ? null : String(value))))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** Databases of a test's own on each of the three servers: their addresses, and what drops them. */
export interface Databases {
  readonly mysql: string
  readonly postgres: string
  readonly mongodb: string
  drop(): Promise<void>
}

export async function newDatabases(): Promise<Databases> {
  const name = `sluice_${randomUUID().slice(0, 8)}`
  const moved = (url: string) => {
    const address = new URL(url)
    address.pathname = `/${name}`
    return address.href
  }
  const [ofMysql, ofPostgres, ofMongodb] = ['MYSQL_URL', 'POSTGRES_URL', 'MONGODB_URL'].map((variable) => process.env[variable] ?? '')
  const there = { mysql: moved(ofMysql ?? ''), postgres: moved(ofPostgres ?? ''), mongodb: moved(ofMongodb ?? '') }
  await onMysql(ofMysql ?? '', `CREATE DATABASE ${name}`)
  await onPostgres(ofPostgres ?? '', `CREATE DATABASE ${name}`)
  return {
    ...there,
    async drop() {
      await onMysql(ofMysql ?? '', `DROP DATABASE IF EXISTS ${name}`)
      await onPostgres(ofPostgres ?? '', `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await onMongodb(there.mongodb, (client) => client.db().dropDatabase())
    },
  }
}

/** One statement or several, by a connection of its own; the last one's rows. */
export async function onMysql(
  url: string,
  ...statements: readonly (string | readonly [string, readonly unknown[]])[]
): Promise<unknown[][]> {
  const connection = await createConnection({ uri: url, rowsAsArray: true, dateStrings: true, supportBigNumbers: true, timezone: 'Z' })
  try {
    let rows: unknown = []
    for (const statement of statements) {
      const [text, values] = typeof statement === 'string' ? [statement, []] : statement
      ;[rows] = await connection.query(text, [...values])
    }
    return Array.isArray(rows) ? (rows as unknown[][]) : []
  } finally {
    await connection.end()
  }
}

export async function onPostgres(
  url: string,
  ...statements: readonly (string | readonly [string, readonly unknown[]])[]
): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    let rows: unknown[][] = []
    for (const statement of statements) {
      const [text, values] = typeof statement === 'string' ? [statement, []] : statement
      const answer = await client.query({ text, values: [...values], rowMode: 'array' })
      rows = answer.rows as unknown[][]
    }
    return rows
  } finally {
    await client.end()
  }
}

export async function onMongodb<Result>(url: string, body: (client: MongoClient) => Promise<Result>): Promise<Result> {
  const client = new MongoClient(url, { promoteValues: false })
  try {
    return await body(client)
  } finally {
    await client.close()
  }
}

export interface ProjectParts {
  /** By name: `column.long({ nullable: false })`. The first is the key, in name and place. */
  readonly columns: Readonly<Record<string, string>>
  /** What syncs/ exports, in TypeScript; `warehouse`, `ledger`, `documents`, `shelf`, `items` and `sync` are there. */
  readonly syncs: string
  readonly addresses: Pick<Databases, 'mysql' | 'postgres' | 'mongodb'>
  /** Options of each store, in TypeScript: `retry: { attempts: 2 }`. */
  readonly storeOptions?: string
  /** Files by path. */
  readonly files?: Readonly<Record<string, string>>
}

/** A project in a temporary folder: rows/*.parquet into bronze.raw_items, merged into silver.items by its key, and syncs from there. */
export class TestProject {
  readonly folder = temporaryFolder()
  readonly #parts: ProjectParts

  constructor(parts: ProjectParts) {
    this.#parts = parts
    const names = Object.keys(parts.columns)
    const [key = ''] = names
    const columns = Object.entries(parts.columns)
      .map(([name, type]) => `  ${JSON.stringify(name)}: ${type},`)
      .join('\n')
    const selected = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ')
    this.write(
      'sluice.config.ts',
      `import { defineProject } from 'sluice'
import * as stores from './stores.js'

export default defineProject({ name: 'copies', lake: './lake', engine: { memory: '512MB' }, stores: { ...stores } })
`,
    )
    this.address(parts.addresses)
    this.write(
      'datasets/items.ts',
      `import { append, changed, column, dataset, files, merge, rawSql, sql } from 'sluice'

const columns = {
${columns}
}

export const rawItems = dataset('bronze.raw_items', {
  columns,
  from: files('rows/*.parquet', { changed: 'replace', empty: 'take' }),
  write: append(),
})

export const items = dataset('silver.items', {
  columns,
  key: [${JSON.stringify(key)}],
  from: sql\`select \${rawSql(${JSON.stringify(selected)})} from \${changed(rawItems)}\`,
  write: merge(),
})
`,
    )
    this.syncs(parts.syncs)
    for (const [path, text] of Object.entries(parts.files ?? {})) this.write(path, text)
    mkdirSync(join(this.folder, 'rows'), { recursive: true })
  }

  write(path: string, text: string): void {
    const place = join(this.folder, path)
    mkdirSync(join(place, '..'), { recursive: true })
    writeFileSync(place, text)
  }

  /** Where the stores are, from now on. */
  address({ mysql, postgres, mongodb }: Pick<Databases, 'mysql' | 'postgres' | 'mongodb'>): void {
    const options = this.#parts.storeOptions === undefined ? '' : `, ${this.#parts.storeOptions}`
    this.write(
      'stores.ts',
      `import { duckdb } from 'sluice/stores/duckdb'
import { mongodb } from 'sluice/stores/mongodb'
import { mysql } from 'sluice/stores/mysql'
import { postgres } from 'sluice/stores/postgres'

export const warehouse = mysql({ url: ${JSON.stringify(mysql)}${options} })
export const ledger = postgres({ url: ${JSON.stringify(postgres)}${options} })
export const documents = mongodb({ url: ${JSON.stringify(mongodb)}${options} })
export const shelf = duckdb({ path: 'shelf.duckdb' })
`,
    )
  }

  syncs(text: string): void {
    this.write(
      'syncs/syncs.ts',
      `import { sync } from 'sluice'
import { items } from '../datasets/items.js'
import { documents, ledger, shelf, warehouse } from '../stores.js'

export const stores = { documents, ledger, shelf, warehouse, items }
${text}
`,
    )
  }

  /** Rows that `sluice run` takes next: a SELECT of the declared columns, as one file; under a name that was there, in place of its rows. */
  async rows(file: string, select: string): Promise<void> {
    await engineText(`COPY (${select}) TO '${join(this.folder, 'rows', file)}.parquet' (FORMAT parquet)`)
  }

  takeAway(file: string): void {
    rmSync(join(this.folder, 'rows', `${file}.parquet`), { force: true })
  }

  /** Fills the lake. */
  async run(): Promise<void> {
    const done = await this.sluice('run')
    expect(done.code, `${done.stdout}${done.stderr}`).toBe(0)
  }

  sluice(...words: readonly string[]): Promise<Ended> {
    const [command = '', ...rest] = words
    return sluice(command, ...rest, '--project', this.folder, '--json')
  }

  /** The results of syncs by name, after a run that went well. */
  async synced(...words: readonly string[]): Promise<Record<string, SyncAnswer>> {
    const done = await this.sluice('sync', ...words)
    expect(done.code, `${done.stdout}${done.stderr}`).toBe(0)
    return Object.fromEntries(done.json().syncs.map((one: SyncAnswer) => [one.name, one]))
  }

  /** Reconciliations by name, and the exit code. */
  async reconciled(...words: readonly string[]): Promise<{ code: number; by: Record<string, ReconcileAnswer> }> {
    const done = await this.sluice('reconcile', ...words)
    const answers: ReconcileAnswer[] | undefined = done.json().reconciliations
    expect(answers, `${done.stdout}${done.stderr}`).toBeDefined()
    return { code: done.code, by: Object.fromEntries((answers ?? []).map((one) => [one.name, one])) }
  }

  /** Fails unless every sync's target holds what its source has. */
  async requireEqual(...names: readonly string[]): Promise<void> {
    const { code, by } = await this.reconciled(...names)
    const differing = Object.values(by).filter((one) => one.differences.total > 0)
    expect({ code, differing }).toEqual({ code: 0, differing: [] })
  }

  async deadLetters(): Promise<{ sync: string; row: string; reason: string }[]> {
    const done = await this.sluice('query', 'select sync, "row", reason from _sluice.dead_letters order by all')
    expect(done.code, `${done.stdout}${done.stderr}`).toBe(0)
    return done.json().rows
  }
}

export interface SyncAnswer {
  readonly name: string
  readonly status: string
  readonly mode: string
  readonly reason: string
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly deadLettered: number
  readonly rows: number
  readonly error?: { readonly code: string; readonly message: string }
}

export interface ReconcileAnswer {
  readonly name: string
  readonly compared: number
  readonly differences: { readonly total: number; readonly byCause: Readonly<Record<string, number>> }
  readonly samples: readonly {
    key: Record<string, string>
    column: string | null
    left: string | null
    right: string | null
    cause: string
  }[]
  readonly how: readonly string[]
  readonly plan?: { readonly put: number; readonly takeAway: number }
  readonly repaired?: { readonly inserted: number; readonly updated: number; readonly deleted: number }
}

/** Of a sync, what it wrote. */
export function written(answer: SyncAnswer | undefined): Pick<SyncAnswer, 'mode' | 'inserted' | 'updated' | 'deleted'> {
  return {
    mode: answer?.mode ?? 'none',
    inserted: answer?.inserted ?? -1,
    updated: answer?.updated ?? -1,
    deleted: answer?.deleted ?? -1,
  }
}
