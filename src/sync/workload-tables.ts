import { failure, WORKLOAD_UNSUPPORTED } from '../errors/index.js'
import type { StoreSql } from '../stores/index.js'

/** Rows that an inserter puts in with one transaction, by a statement each. */
export const ROWS_OF_AN_INSERT = 5
/** Rows that are there from the beginning lie in blocks; an updater changes some blocks whole, in an order of its own. */
export const BLOCKS = 8
export const ROWS_OF_A_BLOCK = 10
export const BLOCKS_OF_AN_UPDATE = 3

/** The money of a trip, in cents. */
export interface Money {
  readonly paymentType: number
  readonly fare: number
  readonly extra: number
  readonly mtaTax: number
  readonly tip: number
  readonly tolls: number
  readonly improvement: number
}

export function totalOf({ fare, extra, mtaTax, tip, tolls, improvement }: Money): number {
  return fare + extra + mtaTax + tip + tolls + improvement
}

/** The statements of a workload. All of its values are whole numbers and cents of its own, so that none needs a placeholder. */
export interface WorkloadStatements {
  /** Each makes one thing; what takes it away again is beside it. */
  readonly make: readonly { readonly make: string; readonly drop: string }[]
  /** For each connection, once. */
  readonly session: string
  insert(inserter: number, number: number, block: number, money: Money): string
  /** Adds so many cents to the tip and the total of a block's rows. */
  update(block: number, cents: number): string
  /** Notes in the same transaction what an updater changed, so that a commit whose answer was lost can be looked up. */
  note(updater: number, number: number, rows: number, cents: number): string
  /** One number: how many rows of these an inserter has. */
  inserted(inserter: number, from: number, to: number): string
  /** One number: whether an update is noted. */
  noted(updater: number, number: number): string
  readonly byPayment: string
  /** One number: how often rows were updated, in all. */
  readonly updates: string
  /** One number: rows whose total is not the sum of its parts. */
  readonly unsummed: string
  /** Inserter, rows, different numbers, least and greatest number. */
  readonly byInserter: string
  /** Sum of all totals. */
  readonly total: string
  /** Transactions, rows and cents that updaters noted. */
  readonly notes: string
}

const MONEY = ['fare_amount', 'extra', 'mta_tax', 'tip_amount', 'tolls_amount', 'improvement_surcharge'] as const

/** How a dialect numbers rows by itself, and what a connection is told first: a lock that does not come is an answer, not a wait of a minute. */
const DIALECTS: Readonly<
  Record<string, { readonly id: (sequence: string) => string; readonly session: string; readonly indexes: boolean }>
> = {
  mysql: { id: () => 'BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY', session: 'SET SESSION innodb_lock_wait_timeout = 5', indexes: true },
  postgres: { id: () => 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY', session: "SET lock_timeout = '5s'", indexes: true },
  // An index makes an update a deletion and an insertion, which DuckDB checks too soon.
  duckdb: { id: (sequence) => `BIGINT DEFAULT nextval('${sequence}') PRIMARY KEY`, session: 'SELECT 1', indexes: false },
}

/** Throws WORKLOAD_UNSUPPORTED for a dialect that is not known. */
export function workloadStatements(sql: Pick<StoreSql, 'dialect' | 'quoteName'>, name: string): WorkloadStatements {
  const dialect = Object.hasOwn(DIALECTS, sql.dialect) ? DIALECTS[sql.dialect] : undefined
  if (dialect === undefined) throw failure(WORKLOAD_UNSUPPORTED, { store: sql.dialect, known: Object.keys(DIALECTS) })
  const [trips, notes, sequence] = [sql.quoteName(name), sql.quoteName(`${name}_updates`), `${name}_ids`]
  const money = MONEY.map((column) => `${column} DECIMAL(10, 2) NOT NULL`).join(', ')
  const parts = MONEY.join(' + ')
  const tables = [
    {
      make: `CREATE TABLE ${trips} (trip_id ${dialect.id(sequence)}, inserter INTEGER NOT NULL, number INTEGER NOT NULL, block INTEGER NOT NULL, payment_type INTEGER NOT NULL, ${money}, total_amount DECIMAL(10, 2) NOT NULL, updates INTEGER NOT NULL)`,
      drop: `DROP TABLE IF EXISTS ${trips}`,
    },
    {
      make: `CREATE TABLE ${notes} (updater INTEGER NOT NULL, number INTEGER NOT NULL, changed INTEGER NOT NULL, cents BIGINT NOT NULL)`,
      drop: `DROP TABLE IF EXISTS ${notes}`,
    },
  ]
  // They go with their table.
  const indexes = ['block', 'inserter'].map((column) => ({
    make: `CREATE INDEX ${sql.quoteName(`${name}_${column}`)} ON ${trips} (${column})`,
    drop: '',
  }))
  return {
    make: [
      ...(sql.dialect === 'duckdb'
        ? [{ make: `CREATE SEQUENCE ${sql.quoteName(sequence)}`, drop: `DROP SEQUENCE IF EXISTS ${sql.quoteName(sequence)}` }]
        : []),
      ...tables,
      ...(dialect.indexes ? indexes : []),
    ],
    session: dialect.session,
    insert(inserter, number, block, one) {
      const amounts = [one.fare, one.extra, one.mtaTax, one.tip, one.tolls, one.improvement, totalOf(one)].map(amount).join(', ')
      return `INSERT INTO ${trips} (inserter, number, block, payment_type, ${MONEY.join(', ')}, total_amount, updates) VALUES (${inserter}, ${number}, ${block}, ${one.paymentType}, ${amounts}, 0)`
    },
    update: (block, cents) =>
      `UPDATE ${trips} SET tip_amount = tip_amount + ${amount(cents)}, total_amount = total_amount + ${amount(cents)}, updates = updates + 1 WHERE block = ${block}`,
    note: (updater, number, rows, cents) => `INSERT INTO ${notes} VALUES (${updater}, ${number}, ${rows}, ${cents})`,
    inserted: (inserter, from, to) =>
      `SELECT COUNT(*) FROM ${trips} WHERE inserter = ${inserter} AND number >= ${from} AND number <= ${to}`,
    noted: (updater, number) => `SELECT COUNT(*) FROM ${notes} WHERE updater = ${updater} AND number = ${number}`,
    byPayment: `SELECT payment_type, COUNT(*), SUM(total_amount), AVG(tip_amount), MAX(fare_amount) FROM ${trips} GROUP BY payment_type`,
    updates: `SELECT COALESCE(SUM(updates), 0) FROM ${trips}`,
    unsummed: `SELECT COUNT(*) FROM ${trips} WHERE total_amount <> ${parts}`,
    byInserter: `SELECT inserter, COUNT(*), COUNT(DISTINCT number), MIN(number), MAX(number) FROM ${trips} WHERE inserter > 0 GROUP BY inserter`,
    total: `SELECT COALESCE(SUM(total_amount), 0) FROM ${trips}`,
    notes: `SELECT COUNT(*), COALESCE(SUM(changed), 0), COALESCE(SUM(cents), 0) FROM ${notes}`,
  }
}

/** `1234` is `12.34`. */
export function amount(cents: number): string {
  return `${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, '0')}`
}

/** `12.34` is 1234n; `12` is 1200n. What a store shows of a DECIMAL(10, 2)'s sum. */
export function centsOf(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  return BigInt(`${whole}${fraction.padEnd(2, '0').slice(0, 2)}`)
}
