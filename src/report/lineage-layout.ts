import type { ReportDataset } from './model.js'

/** Where every node and edge of the lineage stands, in pixels. Nothing here knows how they are drawn. */
export interface LineageLayout {
  readonly width: number
  readonly height: number
  readonly headings: readonly { readonly text: string; readonly x: number }[]
  readonly nodes: readonly LineageNode[]
  readonly edges: readonly LineageEdge[]
}

export interface LineageNode {
  readonly name: string
  /** Absent for what is no dataset of this report: files, a topic, a generator. */
  readonly dataset?: ReportDataset
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface LineageEdge {
  readonly from: string
  readonly to: string
  /** From the right side of one node to the left side of the next, through free lanes of the columns between. */
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

const headingHeight = 28
const datasetHeight = 64
const sourceHeight = 34
const laneHeight = 6
const rowGap = 16
const columnGap = 56
const characterWidth = 7.3
const minimalWidth = 210
const maximalWidth = 252
const padding = 14

/** The most characters of a name that fit a node. */
export const longestName = Math.floor((maximalWidth - 2 * padding) / characterWidth)

interface Vertex {
  readonly key: string
  readonly name: string
  readonly column: number
  readonly height: number
  readonly lane: boolean
  readonly dataset?: ReportDataset
  readonly before: Vertex[]
  readonly after: Vertex[]
  top: number
}

/**
 * Columns from left to right: sources, then each layer, as deep as its datasets read each other. Edges that cross a column get a lane of
 * their own there, so that no edge runs behind a node; vertices are then ordered for few crossings and moved level with their neighbours.
 */
export function layOutLineage(datasets: readonly ReportDataset[]): LineageLayout {
  const { vertices, links } = verticesOf(datasets)
  const chains = links.map(({ from, to }) => chainBetween(from, to, vertices))
  const columns = inOrder(vertices)
  place(columns)
  return measured(columns, chains)
}

interface Link {
  readonly from: Vertex
  readonly to: Vertex
}

function verticesOf(datasets: readonly ReportDataset[]): { vertices: Vertex[]; links: Link[] } {
  const columnOf = columnsOf(datasets)
  const vertices = new Map<string, Vertex>()
  const add = (key: string, vertex: Omit<Vertex, 'key' | 'before' | 'after' | 'top' | 'lane'>): Vertex => {
    const known = vertices.get(key)
    if (known !== undefined) return known
    const added: Vertex = { ...vertex, key, lane: false, before: [], after: [], top: 0 }
    vertices.set(key, added)
    return added
  }
  const source = (name: string) => add(`source ${name}`, { name, column: 0, height: sourceHeight })
  const links: Link[] = []
  for (const dataset of datasets) {
    add(`dataset ${dataset.name}`, { name: dataset.name, column: columnOf(dataset), height: datasetHeight, dataset })
  }
  for (const dataset of datasets) {
    const to = vertices.get(`dataset ${dataset.name}`)
    if (to === undefined) continue
    if (dataset.source !== undefined) links.push({ from: source(dataset.source), to })
    for (const name of new Set(dataset.reads)) links.push({ from: vertices.get(`dataset ${name}`) ?? source(name), to })
  }
  return { vertices: [...vertices.values()], links }
}

/** Column 0 is for sources; it stays empty, and is dropped, when there are none. */
function columnsOf(datasets: readonly ReportDataset[]): (dataset: ReportDataset) => number {
  const depth = depths(datasets, () => true)
  const depthInLayer = depths(datasets, (reader, read) => reader.layer === read.layer)
  const firstColumn = new Map<string, number>()
  let next = 1
  for (const layer of layersInOrder(datasets, depth)) {
    firstColumn.set(layer, next)
    next += 1 + Math.max(...datasets.filter((dataset) => dataset.layer === layer).map((dataset) => depthInLayer.get(dataset.name) ?? 0))
  }
  return (dataset) => (firstColumn.get(dataset.layer) ?? 1) + (depthInLayer.get(dataset.name) ?? 0)
}

function layersInOrder(datasets: readonly ReportDataset[], depth: ReadonlyMap<string, number>): readonly string[] {
  const usual = ['bronze', 'silver', 'gold']
  const deepest = new Map<string, number>()
  for (const { layer, name } of datasets) deepest.set(layer, Math.max(deepest.get(layer) ?? 0, depth.get(name) ?? 0))
  const others = [...deepest.keys()].filter((layer) => !usual.includes(layer))
  others.sort((a, b) => (deepest.get(a) ?? 0) - (deepest.get(b) ?? 0))
  return [...usual.filter((layer) => deepest.has(layer)), ...others]
}

/** The longest path to each dataset over the reads that count. A read that closes a circle does not. */
function depths(
  datasets: readonly ReportDataset[],
  counts: (reader: ReportDataset, read: ReportDataset) => boolean,
): ReadonlyMap<string, number> {
  const byName = new Map(datasets.map((dataset) => [dataset.name, dataset]))
  const found = new Map<string, number>()
  const open = new Set<string>()
  const visit = (dataset: ReportDataset): number => {
    const known = found.get(dataset.name)
    if (known !== undefined) return known
    open.add(dataset.name)
    let depth = 0
    for (const name of dataset.reads) {
      const read = byName.get(name)
      if (read !== undefined && !open.has(name) && counts(dataset, read)) depth = Math.max(depth, visit(read) + 1)
    }
    open.delete(dataset.name)
    found.set(dataset.name, depth)
    return depth
  }
  for (const dataset of datasets) visit(dataset)
  return found
}

/** The vertices an edge passes, lanes included. An edge that runs backwards is drawn as it is and orders nothing. */
function chainBetween(from: Vertex, to: Vertex, vertices: Vertex[]): readonly Vertex[] {
  if (from.column >= to.column) return [from, to]
  const chain = [from]
  for (let column = from.column + 1; column < to.column; column += 1) {
    const key = `lane ${column} ${from.key} ${to.key}`
    const lane: Vertex = { key, name: '', column, height: laneHeight, lane: true, before: [], after: [], top: 0 }
    vertices.push(lane)
    chain.push(lane)
  }
  chain.push(to)
  for (const [index, vertex] of chain.entries()) {
    const next = chain[index + 1]
    if (next === undefined) continue
    vertex.after.push(next)
    next.before.push(vertex)
  }
  return chain
}

type Columns = Vertex[][]

/** Sweeps of the barycentre rule, left to right and back, keeping the order with the fewest crossings. */
function inOrder(vertices: readonly Vertex[]): Columns {
  let columns = groupedByColumn(vertices)
  let best = columns
  let fewest = crossings(columns)
  for (let sweep = 0; sweep < 12 && fewest > 0; sweep += 1) {
    columns =
      sweep % 2 === 0 ? swept(columns, (vertex) => vertex.before) : swept([...columns].reverse(), (vertex) => vertex.after).reverse()
    const crossed = crossings(columns)
    if (crossed >= fewest) continue
    best = columns
    fewest = crossed
  }
  return best
}

function groupedByColumn(vertices: readonly Vertex[]): Columns {
  const columns = new Map<number, Vertex[]>()
  for (const vertex of vertices) {
    const column = columns.get(vertex.column)
    if (column === undefined) columns.set(vertex.column, [vertex])
    else column.push(vertex)
  }
  return [...columns.entries()].sort(([a], [b]) => a - b).map(([, column]) => column)
}

function swept(columns: Columns, neighbours: (vertex: Vertex) => readonly Vertex[]): Columns {
  const position = new Map<Vertex, number>()
  return columns.map((column) => {
    for (const [index, vertex] of column.entries()) position.set(vertex, index)
    const wanted = new Map(
      column.map((vertex, index) => [vertex, mean(neighbours(vertex).map((near) => position.get(near) ?? 0)) ?? index]),
    )
    const sorted = [...column].sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0))
    for (const [index, vertex] of sorted.entries()) position.set(vertex, index)
    return sorted
  })
}

function crossings(columns: Columns): number {
  let found = 0
  for (const [index, column] of columns.entries()) {
    const position = new Map((columns[index + 1] ?? []).map((vertex, place) => [vertex, place]))
    const ends = column.flatMap((vertex, start) => vertex.after.map((next) => ({ start, end: position.get(next) ?? 0 })))
    for (const [first, a] of ends.entries()) {
      for (const b of ends.slice(first + 1)) if ((a.start - b.start) * (a.end - b.end) < 0) found += 1
    }
  }
  return found
}

function place(columns: Columns): void {
  for (const column of columns) settle(column, () => undefined)
  for (let round = 0; round < 10; round += 1) {
    for (const column of columns) settle(column, (vertex) => levelWith([...vertex.before, ...vertex.after]))
    for (const column of [...columns].reverse()) settle(column, (vertex) => levelWith([...vertex.after, ...vertex.before]))
  }
  const highest = Math.min(...columns.flat().map((vertex) => vertex.top))
  for (const vertex of columns.flat()) vertex.top += headingHeight - highest
}

function levelWith(neighbours: readonly Vertex[]): number | undefined {
  return mean(neighbours.map((vertex) => vertex.top + vertex.height / 2))
}

/**
 * Moves a column as near to the wanted centres as its order and gaps allow: least squares by pooling neighbours that would overlap
 * (isotonic regression on the distances that are left once heights and gaps are taken off).
 */
function settle(column: readonly Vertex[], wantedCentre: (vertex: Vertex) => number | undefined): void {
  const pools: { sum: number; size: number }[] = []
  let taken = 0
  const offsets = column.map((vertex) => {
    const offset = taken
    taken += vertex.height + rowGap
    const centre = wantedCentre(vertex)
    pools.push({ sum: (centre === undefined ? vertex.top : centre - vertex.height / 2) - offset, size: 1 })
    mergeLast(pools)
    return offset
  })
  let index = 0
  for (const { sum, size } of pools) {
    for (const vertex of column.slice(index, index + size)) {
      vertex.top = sum / size + (offsets[index] ?? 0)
      index += 1
    }
  }
}

function mergeLast(pools: { sum: number; size: number }[]): void {
  for (;;) {
    const last = pools.at(-1)
    const earlier = pools.at(-2)
    if (last === undefined || earlier === undefined || earlier.sum / earlier.size <= last.sum / last.size) return
    pools.splice(-2, 2, { sum: earlier.sum + last.sum, size: earlier.size + last.size })
  }
}

function measured(columns: Columns, chains: readonly (readonly Vertex[])[]): LineageLayout {
  const span = new Map<number, { x: number; width: number }>()
  let x = 0
  for (const column of columns) {
    const longest = Math.max(...column.map((vertex) => vertex.name.length))
    const width = Math.round(Math.min(maximalWidth, Math.max(minimalWidth, longest * characterWidth + 2 * padding)))
    span.set(column[0]?.column ?? 0, { x, width })
    x += width + columnGap
  }
  const spanOf = (vertex: Vertex) => span.get(vertex.column) ?? { x: 0, width: minimalWidth }
  const placed = columns.flat()
  return {
    width: Math.max(0, x - columnGap),
    height: Math.max(...placed.map((vertex) => vertex.top + vertex.height), 0),
    headings: headingsOf(columns).map(({ text, vertex }) => ({ text, x: spanOf(vertex).x })),
    nodes: placed.filter((vertex) => !vertex.lane).map((vertex) => nodeAt(vertex, spanOf(vertex))),
    edges: chains.map((chain) => edgeAlong(chain, spanOf)),
  }
}

/** One heading over the first column of each layer. */
function headingsOf(columns: Columns): readonly { text: string; vertex: Vertex }[] {
  const headings = new Map<string, Vertex>()
  for (const column of columns) {
    const vertex = column.find(({ lane }) => !lane)
    const text = vertex?.column === 0 ? 'sources' : (vertex?.dataset?.layer ?? '')
    if (vertex !== undefined && !headings.has(text)) headings.set(text, vertex)
  }
  return [...headings].map(([text, vertex]) => ({ text, vertex }))
}

function nodeAt(vertex: Vertex, { x, width }: { x: number; width: number }): LineageNode {
  const { name, dataset, top, height } = vertex
  return { name, x, y: top, width, height, ...(dataset && { dataset }) }
}

function edgeAlong(chain: readonly Vertex[], spanOf: (vertex: Vertex) => { x: number; width: number }): LineageEdge {
  const points = chain.flatMap((vertex, index) => {
    const { x, width } = spanOf(vertex)
    const y = vertex.top + vertex.height / 2
    const left = { x, y }
    const right = { x: x + width, y }
    if (vertex.lane) return [left, right]
    return index === 0 ? [right] : [left]
  })
  return { from: chain[0]?.name ?? '', to: chain.at(-1)?.name ?? '', points }
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}
