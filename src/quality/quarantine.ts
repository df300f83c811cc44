import { literal, quoteName, quoteText, type Session, type SqlValue } from '../engine/index.js'
import type { Field } from '../schema/index.js'
import type { TableDefinition } from '../table/index.js'

/** Names of the expectations that a held row broke. */
export const REASONS = '_reasons'
/** What a source found wrong with a row: `line_parsed`, `value_converts`, `schema_matches`; null for a sound one. */
export const PROBLEM = '_problem'
/** The text, by column, of what could not be read; `line` and `line_number` for a line that could not be parsed. */
export const RAW = '_raw'

const RUN = '_run_id'
const BATCH = '_batch'
const HELD_AT = '_held_at'

/** The columns that a quarantine has besides the staged row's. */
const OWN: readonly Field[] = [
  { name: REASONS, type: { kind: 'array', element: { kind: 'string' } }, nullable: true },
  { name: RUN, type: { kind: 'string' }, nullable: true },
  { name: BATCH, type: { kind: 'long' }, nullable: true },
  { name: HELD_AT, type: { kind: 'timestamp' }, nullable: true },
]
export const PROBLEM_FIELDS: readonly Field[] = [
  { name: PROBLEM, type: { kind: 'string' }, nullable: true },
  { name: RAW, type: { kind: 'map', key: { kind: 'string' }, value: { kind: 'string' } }, nullable: true },
]

/** A dataset's quarantine as a table: the staged row whole, and why, when and by which run it was held. */
export function quarantineDefinition(dataset: string, staged: readonly Field[]): TableDefinition {
  const fields = new Map([...staged, ...OWN].map((field) => [field.name, { ...field, nullable: true }]))
  return { fields: [...fields.values()], description: `Rows held back from ${dataset}.` }
}

/** `lake/_quarantine/silver/trips` */
export function quarantinePath(lake: string, dataset: string): string {
  return `${lake}/_quarantine/${dataset.replace('.', '/')}`
}

export interface Holding {
  readonly runId: string
  readonly batch: number
  readonly heldAt: Date
}

/** A SELECT of the rows as the quarantine keeps them. */
export function heldRows(quarantined: string, fields: readonly Field[], { runId, batch, heldAt }: Holding): string {
  const own: Readonly<Record<string, string>> = {
    [RUN]: quoteText(runId),
    [BATCH]: String(batch),
    [HELD_AT]: `TIMESTAMPTZ ${quoteText(heldAt.toISOString())}`,
  }
  const select = fields
    .map((field) => own[field.name] ?? quoteName(field.name))
    .map((sql, index) => `${sql} AS ${quoteName(fields[index]?.name ?? '')}`)
  return `SELECT ${select.join(', ')} FROM (SELECT * FROM (${quarantined})) `
}

/** Which held rows a command is about. */
export interface HeldFilter {
  readonly expectation?: string
  readonly runId?: string
}

export function heldCondition({ expectation, runId }: HeldFilter): string {
  const parts = [
    ...(expectation === undefined ? [] : [`list_contains(${REASONS}, ${quoteText(expectation)})`]),
    ...(runId === undefined ? [] : [`${RUN} = ${literal(runId as SqlValue)}`]),
  ]
  return parts.length === 0 ? 'true' : parts.join(' AND ')
}

export interface HeldGroup {
  readonly expectation: string
  readonly rows: number
}

/** How many rows each expectation holds; a row that broke two counts under both. */
export async function heldGroups(session: Session, held: string): Promise<HeldGroup[]> {
  const rows = await session.rows(
    `SELECT reason, count(*) AS n FROM (SELECT unnest(${REASONS}) AS reason FROM (${held})) GROUP BY ALL ORDER BY n DESC, reason`,
  )
  return rows.map((row) => ({ expectation: String(row['reason']), rows: Number(row['n']) }))
}
