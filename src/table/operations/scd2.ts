import { randomUUID } from 'node:crypto'
import { quoteName, type Session, sqlType } from '../../engine/index.js'
import { failure, TABLE_CHANGE_INVALID } from '../../errors/index.js'
import { type Field, sameType } from '../../schema/index.js'
import { type Change, scanFiles } from '../change.js'
import { filesThat, type Snapshot, withinRanges } from '../snapshot.js'
import type { Range } from '../statistics.js'
import { asTableTypes, changeOf } from './merge.js'
import { findTouched, readsOf, rewrite } from './rewrite.js'

export interface Scd2Options {
  readonly keys: readonly string[]
  /** The source's column that orders the versions of a key: from when a version holds. */
  readonly sequence: string
  /** Columns whose change makes a new version. Default: those that table and source share, but keys and sequence. */
  readonly track?: readonly string[]
  /** The table's column of when a version began. Default `valid_from`. */
  readonly validFrom?: string
  /** Of when it ended, null while it is current; of the same type. Default `valid_to`. */
  readonly validTo?: string
  /** Whether it is current. Default `is_current`. */
  readonly current?: string
  /** Of a row no newer than its key's newest version that says other than the history does. `insert` puts it in its place there. Default `refuse`. */
  readonly late?: 'refuse' | 'ignore' | 'insert'
  /** SQL over `s`: rows for which it is true end their key. */
  readonly deletes?: string
}

export interface Scd2Change extends Change {
  /** Versions that were added. */
  readonly inserted: number
  /** Versions whose end changed. */
  readonly updated: number
  /** Versions that others took the place of; with `late: 'insert'` only. */
  readonly deleted: number
  /** Source rows that said what the history says already. */
  readonly unchanged: number
  /** Late rows that were ignored or put in. */
  readonly late: number
}

/**
 * Slowly changing dimension of type 2: a source row that differs from its key's newest version ends that and becomes the newest.
 *
 *     { id: 7, city: 'Rome', changed: '2024-03-01' } with keys: ['id'], sequence: 'changed'
 *
 *     id city  valid_from  valid_to    is_current
 *      7 Oslo  2024-01-01  2024-03-01  false
 *      7 Rome  2024-03-01  null        true
 *
 * Several rows of a key become a chain; what equals the version before it is dropped; the same rows again change nothing. Throws
 * TABLE_CHANGE_INVALID for late rows, null keys or sequences, and rows that differ under one key and sequence.
 *
 * @param source a relation of the session, or a SELECT in brackets
 */
export async function prepareScd2(session: Session, snapshot: Snapshot, source: string, options: Scd2Options): Promise<Scd2Change> {
  const shape = await shapeOf(session, snapshot, source, options)
  const names = { events: '', history: '', arrived: '', timeline: '', ends: '' }
  for (const role of Object.keys(names) as (keyof typeof names)[]) names[role] = quoteName(`_sluice_${role}_${randomUUID()}`)
  try {
    return await prepare(session, snapshot, shape, names)
  } finally {
    for (const name of Object.values(names)) await session.execute(`DROP TABLE IF EXISTS ${name}`)
  }
}

/** Names of temporary tables. */
interface Names {
  /** The source's rows, each once: keys `k0..`, `seq`, `state`, `id`, and the table's columns `c0..`. */
  readonly events: string
  /** Versions of the source's keys that the source can bear upon: `k0..`, `seq`, `til`, `state`. */
  readonly history: string
  /** Events, with what the history says of their time. */
  readonly arrived: string
  /** History and events together as they will be; `id` null for what is there, `gone` where the key has ended. */
  readonly timeline: string
  /** Versions of the history that end otherwise, or (`kept` false) go. */
  readonly ends: string
}

interface Shape {
  readonly relation: string
  readonly options: Scd2Options
  readonly validFrom: Field
  readonly validTo: string
  readonly current: string
  /** The table's columns that new versions take from the source. */
  readonly taken: readonly Field[]
  readonly track: readonly Field[]
}

async function shapeOf(session: Session, snapshot: Snapshot, source: string, options: Scd2Options): Promise<Shape> {
  const { keys, sequence, validTo = 'valid_to', current = 'is_current' } = options
  const { relation } = await asTableTypes(session, snapshot, { relation: source, keys })
  const arriving = new Set((await session.describe(`SELECT * FROM ${relation}`)).map((field) => field.name))
  const own = (name: string) => {
    const field = snapshot.fields.find((one) => one.name === name)
    if (field === undefined) throw invalid(snapshot, `there is no column "${name}"`)
    return field
  }
  const validFrom = own(options.validFrom ?? 'valid_from')
  if (!sameType(validFrom.type, own(validTo).type)) throw invalid(snapshot, `${validFrom.name} and ${validTo} are of two types`)
  if (own(current).type.kind !== 'boolean') throw invalid(snapshot, `${current} is no boolean`)
  if (keys.length === 0) throw invalid(snapshot, 'versions need keys')
  const period = new Set([validFrom.name, validTo, current])
  const taken = snapshot.fields.filter(({ name }) => arriving.has(name) && !period.has(name))
  const track = options.track?.map(own) ?? taken.filter(({ name }) => !keys.includes(name) && name !== sequence)
  const missing = [...keys.map((key) => own(key).name), ...track.map((field) => field.name), sequence].find((name) => !arriving.has(name))
  if (missing !== undefined) throw invalid(snapshot, `the source has no column "${missing}"`)
  return { relation, options, validFrom, validTo, current, taken, track }
}

async function prepare(session: Session, snapshot: Snapshot, shape: Shape, names: Names): Promise<Scd2Change> {
  const { keys, late: policy = 'refuse' } = shape.options
  const { sourceRows, ranges } = await readEvents(session, snapshot, shape, names)
  const mayHold = withinRanges(snapshot, ranges)
  const candidates = sourceRows === 0 ? [] : await filesThat(snapshot, mayHold)
  const columns = [...new Set([...keys, shape.validFrom.name, shape.validTo, ...shape.track.map((field) => field.name)])]
  await readHistory(session, snapshot, shape, names, await scanFiles(session, snapshot, candidates, { columns }))
  const late = await placeEvents(session, snapshot, shape, names)
  await drawTimeline(session, shape, names)

  const counts = await countPlan(session, names)
  const on = keys.map((key, index) => `x.k${index} = t.${quoteName(key)}`).join(' AND ')
  const ends = `${on} AND x.seq = t.${quoteName(shape.validFrom.name)}`
  const touches = `EXISTS (SELECT 1 FROM ${names.ends} AS x WHERE ${ends})`
  const changed = counts.updated + counts.deleted > 0
  const touched = await findTouched(session, snapshot, { candidates: changed ? candidates : [], condition: touches })
  const joined = `(${await scanFiles(session, snapshot, touched.files)}) AS t JOIN ${names.ends} AS x ON ${ends}`
  const [validTo, current] = [quoteName(shape.validTo), quoteName(shape.current)]
  const closed = `SELECT t.* REPLACE (x.til AS ${validTo}, x.til IS NULL AS ${current}) FROM ${joined} WHERE x.kept`
  const added = [
    ...shape.taken.map(({ name }, index) => `e.c${index} AS ${quoteName(name)}`),
    `l.seq AS ${quoteName(shape.validFrom.name)}`,
    `l.til AS ${validTo}`,
    `l.til IS NULL AS ${current}`,
  ]
  const opened = `SELECT ${added.join(', ')} FROM ${names.timeline} AS l JOIN ${names.events} AS e USING (id) WHERE NOT l.gone`
  const incoming = [
    ...(counts.updated > 0 ? [{ query: closed, type: 'update_postimage' }] : []),
    ...(counts.inserted > 0 ? [{ query: opened, type: 'insert' }] : []),
  ]
  const before = `SELECT t.*, CASE WHEN x.kept THEN 'update_preimage' ELSE 'delete' END AS _change_type FROM ${joined}`
  const rewritten = await rewrite(session, snapshot, touched, touches, {
    query: incoming.length === 0 ? undefined : incoming.map((one) => one.query).join(' UNION ALL BY NAME '),
    changes: [
      ...(touched.rows === 0 ? [] : [before]),
      ...incoming.map(({ query, type }) => `SELECT *, '${type}' AS _change_type FROM (${query})`),
    ],
  })
  const unchanged = counts.events - counts.used - (policy === 'ignore' ? late : 0)
  const { metrics, ...parts } = changeOf(rewritten, { sourceRows, ...counts })
  return {
    operation: 'MERGE',
    parameters: { predicate: keys.map((key) => `t.${key} = s.${key}`).join(' AND '), scd: '2', late: policy },
    ...parts,
    metrics: { ...metrics, numSourceRowsUnchanged: unchanged, numSourceRowsLate: late },
    blind: false,
    reads: readsOf(candidates, mayHold),
    inserted: counts.inserted,
    updated: counts.updated,
    deleted: counts.deleted,
    unchanged,
    late,
  }
}

/** Answers which files of the table the source can bear upon: not those whose versions had all ended before it begins. */
async function readEvents(session: Session, snapshot: Snapshot, { relation, options, validFrom, taken, track }: Shape, names: Names) {
  const { keys, sequence, deletes = 'false' } = options
  const state = stateOf(
    's._sluice_gone',
    track.map(({ name, type }) => `CASE WHEN NOT s._sluice_gone THEN s.${quoteName(name)} END::${sqlType(type)}`),
  )
  const select = [
    ...keys.map((key, index) => `s.${quoteName(key)} AS k${index}`),
    `CAST(s.${quoteName(sequence)} AS ${sqlType(validFrom.type)}) AS seq`,
    `${state} AS state`,
    // What a row that ends its key says besides is of no account.
    ...taken.map(({ name }, index) => `CASE WHEN NOT s._sluice_gone THEN s.${quoteName(name)} END AS c${index}`),
  ]
  const marked = `SELECT s.*, coalesce((${deletes}), false) AS _sluice_gone FROM ${relation} AS s`
  await session.execute(
    `CREATE TEMP TABLE ${names.events} AS SELECT row_number() OVER () AS id, * FROM (SELECT ${select.join(', ')}, count(*) AS copies FROM (${marked}) AS s GROUP BY ALL)`,
  )
  const bounds = keys.map((_, index) => `min(k${index})::VARCHAR AS min${index}, max(k${index})::VARCHAR AS max${index}`)
  const nulls = ['seq', ...keyNames(keys)].map((name) => `${name} IS NULL`).join(' OR ')
  const [row] = await session.rows(
    `SELECT sum(copies) AS n, count(*) FILTER (WHERE ${nulls}) AS nulls, min(seq)::VARCHAR AS first, ${bounds.join(', ')} FROM ${names.events}`,
  )
  if (Number(row?.['nulls'] ?? 0) > 0) throw invalid(snapshot, `a row of the source has no ${[...keys, sequence].join(', or no ')}`)
  const repeated = await oneOf(session, keys, `FROM ${names.events} GROUP BY ALL HAVING count(*) > 1`)
  if (repeated !== undefined) throw invalid(snapshot, `the source says two things of ${repeated}`)
  const text = (name: string) => (row?.[name] ?? null) as string | null
  const ranges: [string, Range][] = keys.map((key, index) => [key, { min: text(`min${index}`), max: text(`max${index}`), nulls: false }])
  return {
    sourceRows: Number(row?.['n'] ?? 0),
    ranges: Object.fromEntries([...ranges, [options.validTo ?? 'valid_to', { min: text('first'), max: ENDLESS, nulls: true }]]),
  }
}

/** As a bound it proves nothing. */
const ENDLESS = '\uFFFF'

async function readHistory(
  session: Session,
  snapshot: Snapshot,
  { options: { keys }, validFrom, validTo, track }: Shape,
  names: Names,
  scan: string,
) {
  const state = stateOf(
    'false',
    track.map(({ name }) => `t.${quoteName(name)}`),
  )
  const from = `t.${quoteName(validFrom.name)}`
  const til = `t.${quoteName(validTo)}`
  const first = `SELECT ${keyNames(keys).join(', ')}, min(seq) AS first FROM ${names.events} GROUP BY ALL`
  const on = keys.map((key, index) => `b.k${index} = t.${quoteName(key)}`).join(' AND ')
  await session.execute(
    `CREATE TEMP TABLE ${names.history} AS SELECT ${keyNames(keys, 'b.').join(', ')}, ${from} AS seq, ${til} AS til, ${state} AS state FROM (${scan}) AS t JOIN (${first}) AS b ON ${on} WHERE ${from} IS NOT NULL AND (${til} IS NULL OR ${til} >= b.first)`,
  )
  const twice = await oneOf(session, keys, `FROM ${names.history} GROUP BY ALL HAVING count(*) > 1`)
  if (twice !== undefined) throw invalid(snapshot, `two of its versions are of ${twice}`)
}

/** Answers how many events are late. Throws TABLE_CHANGE_INVALID where such are refused. */
async function placeEvents(session: Session, snapshot: Snapshot, { options, track }: Shape, names: Names): Promise<number> {
  const { keys, late = 'refuse' } = options
  const key = keyNames(keys).join(', ')
  const gone = stateOf(
    'true',
    track.map(({ type }) => `NULL::${sqlType(type)}`),
  )
  const known = `SELECT ${key}, seq, state FROM ${names.history} UNION ALL SELECT ${key}, til, ${gone} FROM ${names.history} AS h WHERE til IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${names.history} AS n WHERE ${same(keys, 'n', 'h')} AND n.seq = h.til)`
  await session.execute(
    `CREATE TEMP TABLE ${names.arrived} AS WITH known AS (${known}), newest AS (SELECT ${key}, max(seq) AS last FROM known GROUP BY ALL)
     SELECT ${key}, seq, state, NULL::BIGINT AS id, false AS late, false AS settled FROM known
     UNION ALL SELECT ${keyNames(keys, 'e.').join(', ')}, e.seq, e.state, e.id,
       coalesce(e.seq <= n.last, false) AND CASE WHEN k.seq IS NULL THEN NOT e.state.gone ELSE e.state IS DISTINCT FROM k.state END,
       coalesce(e.seq <= n.last, false) AND (${late === 'insert' ? 'e.seq = k.seq AND e.state IS NOT DISTINCT FROM k.state' : 'true'})
     FROM ${names.events} AS e LEFT JOIN newest AS n ON ${same(keys, 'n', 'e')} ASOF LEFT JOIN known AS k ON ${same(keys, 'k', 'e')} AND e.seq >= k.seq`,
  )
  const [row] = await session.rows(`SELECT count(*) FILTER (WHERE late) AS n FROM ${names.arrived}`)
  const rows = Number(row?.['n'] ?? 0)
  if (rows > 0 && late === 'refuse') {
    const example = await oneOf(session, keys, `FROM ${names.arrived} WHERE late`)
    throw invalid(snapshot, `${rows} of the rows came late, such as ${example}: their keys have newer versions already`)
  }
  return rows
}

/**
 * Both together in order, without what changes nothing: an event that equals what came before it, and what is there already once an event
 * says the same earlier. Of an event and a version that begin at once, the event counts.
 */
async function drawTimeline(session: Session, { options: { keys } }: Shape, names: Names): Promise<void> {
  const key = keyNames(keys).join(', ')
  const over = `OVER (PARTITION BY ${key} ORDER BY seq)`
  // `settled` marks what the policy leaves out: what is there to the letter, or all that is not newer.
  await session.execute(
    `CREATE TEMP TABLE ${names.timeline} AS WITH mine AS (SELECT * FROM ${names.arrived} WHERE id IS NOT NULL AND NOT settled),
     merged AS (SELECT * FROM mine UNION ALL SELECT * FROM ${names.arrived} AS a WHERE id IS NULL
       AND EXISTS (SELECT 1 FROM mine AS m WHERE ${same(keys, 'm', 'a')}) AND NOT EXISTS (SELECT 1 FROM mine AS m WHERE ${same(keys, 'm', 'a')} AND m.seq = a.seq)),
     told AS (SELECT *, lag(state) ${over} AS before FROM merged),
     news AS (SELECT * EXCLUDE (before), lag(state) ${over} AS before, lag(id) ${over} AS after FROM told
       WHERE id IS NULL OR CASE WHEN before IS NULL THEN NOT state.gone ELSE before IS DISTINCT FROM state END)
     SELECT ${key}, seq, id, state.gone AS gone, lead(seq) ${over} AS til FROM news
     WHERE id IS NOT NULL OR after IS NULL OR before IS DISTINCT FROM state`,
  )
  await session.execute(
    `CREATE TEMP TABLE ${names.ends} AS SELECT ${keyNames(keys, 'h.').join(', ')}, h.seq, l.til, l.seq IS NOT NULL AS kept
     FROM ${names.history} AS h LEFT JOIN (SELECT * FROM ${names.timeline} WHERE id IS NULL AND NOT gone) AS l ON ${same(keys, 'l', 'h')} AND l.seq = h.seq
     WHERE EXISTS (SELECT 1 FROM ${names.arrived} AS a WHERE a.id IS NOT NULL AND NOT a.settled AND ${same(keys, 'a', 'h')}) AND (l.seq IS NULL OR l.til IS DISTINCT FROM h.til)`,
  )
}

async function countPlan(session: Session, names: Names) {
  const [row] = await session.rows(
    `SELECT (SELECT count(*) FROM ${names.events}) AS events,
     (SELECT count(*) FROM ${names.timeline} WHERE id IS NOT NULL) AS used, (SELECT count(*) FROM ${names.timeline} WHERE id IS NOT NULL AND NOT gone) AS inserted,
     (SELECT count(*) FROM ${names.ends} WHERE kept) AS updated, (SELECT count(*) FROM ${names.ends} WHERE NOT kept) AS deleted`,
  )
  const of = (name: string) => Number(row?.[name] ?? 0)
  return { events: of('events'), used: of('used'), inserted: of('inserted'), updated: of('updated'), deleted: of('deleted') }
}

/** What a key is at a time, as one value that can be compared: whether it has ended, and the tracked columns. */
function stateOf(gone: string, values: readonly string[]): string {
  return `struct_pack(${[`gone := ${gone}`, ...values.map((value, index) => `v${index} := ${value}`)].join(', ')})`
}

/** A key and its sequence, for a message; undefined when there is none. */
async function oneOf(session: Session, keys: readonly string[], from: string): Promise<string | undefined> {
  const [row] = await session.rows(`SELECT ${keyNames(keys).join(', ')}, seq::VARCHAR AS seq ${from} ORDER BY ALL LIMIT 1`)
  if (row === undefined) return undefined
  return `${keys.map((key, index) => `${key} ${row[`k${index}`]}`).join(', ')} at ${row['seq']}`
}

function keyNames(keys: readonly string[], prefix = ''): string[] {
  return keys.map((_, index) => `${prefix}k${index}`)
}

function same(keys: readonly string[], left: string, right: string): string {
  return keyNames(keys)
    .map((key) => `${left}.${key} = ${right}.${key}`)
    .join(' AND ')
}

function invalid(snapshot: Snapshot, problem: string) {
  return failure(TABLE_CHANGE_INVALID, { path: snapshot.path, problem })
}
