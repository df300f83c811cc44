import { quoteName, type Session } from '../engine/index.js'
import { type Field, isNumber, typeText } from '../schema/index.js'

export interface ColumnProfile {
  readonly column: string
  readonly type: string
  readonly nulls: number
  /** Approximate (HyperLogLog). */
  readonly distinct: number
  readonly min: string | null
  readonly max: string | null
  readonly mean: string | null
  /** Counts of equally wide buckets from min to max; empty for types that are not numbers. */
  readonly histogram: readonly number[]
}

export interface Profile {
  readonly rows: number
  readonly columns: readonly ColumnProfile[]
}

const BUCKETS = 20

/**
 * Counts, bounds, mean and shape of each column: two passes over `relation`.
 * @param relation a relation of the session, or a SELECT in brackets
 */
export async function profile(session: Session, relation: string, fields: readonly Field[]): Promise<Profile> {
  const scalar = (field: Field) => !['struct', 'array', 'map', 'binary'].includes(field.type.kind)
  const facts = fields.flatMap((field, index) => {
    const name = quoteName(field.name)
    return [
      `count(*) - count(${name}) AS nulls${index}`,
      `${scalar(field) ? `approx_count_distinct(${name})` : '0'} AS distinct${index}`,
      `${scalar(field) ? `min(${name})::VARCHAR` : 'NULL'} AS min${index}`,
      `${scalar(field) ? `max(${name})::VARCHAR` : 'NULL'} AS max${index}`,
      `${isNumber(field.type) ? `avg(${name})` : 'NULL'} AS mean${index}`,
    ]
  })
  const [row] = await session.rows(`SELECT count(*) AS n, ${facts.join(', ')} FROM ${relation}`)
  const at = (name: string) => row?.[name] ?? null
  const numeric = fields.flatMap((field, index) => {
    const [min, max] = [Number(at(`min${index}`)), Number(at(`max${index}`))]
    return isNumber(field.type) && at(`min${index}`) !== null && Number.isFinite(max - min) && max > min ? [{ field, index, min, max }] : []
  })
  const histograms =
    numeric.length === 0 ? undefined : await session.rows(`SELECT ${numeric.map(histogramSql).join(', ')} FROM ${relation}`)
  return {
    rows: Number(at('n') ?? 0),
    columns: fields.map((field, index) => ({
      column: field.name,
      type: typeText(field.type),
      nulls: Number(at(`nulls${index}`) ?? 0),
      distinct: Number(at(`distinct${index}`) ?? 0),
      min: at(`min${index}`) as string | null,
      max: at(`max${index}`) as string | null,
      mean: at(`mean${index}`) === null ? null : Number(at(`mean${index}`)).toPrecision(6),
      histogram: bucketsOf(histograms?.[0]?.[`h${index}`]),
    })),
  }
}

function histogramSql({ field, index, min, max }: { field: Field; index: number; min: number; max: number }): string {
  const bucket = `least(${BUCKETS - 1}, greatest(0, floor((${quoteName(field.name)}::DOUBLE - ${min}) / ${(max - min) / BUCKETS})))::INTEGER`
  return `histogram(CASE WHEN isfinite(${quoteName(field.name)}::DOUBLE) THEN ${bucket} END) AS h${index}`
}

function bucketsOf(counted: unknown): number[] {
  if (!(counted instanceof Map)) return []
  return Array.from({ length: BUCKETS }, (_, bucket) => Number(counted.get(bucket) ?? 0))
}
