/** Which dataset is made from which: a directed graph without circles. Keeps nothing itself. */

export interface LineageNode {
  readonly name: string
  /** Names of the datasets it reads. */
  readonly reads: readonly string[]
  /** What it reads besides datasets: `files landing/*.csv`. */
  readonly source?: string
}

/** Names in an order in which each comes after all it reads; names on one level are in alphabetical order. */
export function topological(nodes: readonly LineageNode[]): string[] {
  const depth = depths(nodes)
  return [...depth].sort(([a, da], [b, db]) => da - db || (a < b ? -1 : 1)).map(([name]) => name)
}

/** How many steps each is from where nothing is read: 0 for datasets filled from outside. */
export function depths(nodes: readonly LineageNode[]): Map<string, number> {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const depth = new Map<string, number>()
  const visit = (name: string): number => {
    const known = depth.get(name)
    if (known !== undefined) return known
    depth.set(name, 0)
    const found = Math.max(-1, ...(byName.get(name)?.reads ?? []).filter((read) => byName.has(read)).map(visit)) + 1
    depth.set(name, found)
    return found
  }
  for (const node of nodes) visit(node.name)
  return depth
}

/** A circle of names, each reading the next, when there is one. */
export function findCycle(nodes: readonly LineageNode[]): string[] | undefined {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const finished = new Set<string>()
  const visit = (name: string, path: readonly string[]): string[] | undefined => {
    const start = path.indexOf(name)
    if (start >= 0) return [...path.slice(start), name]
    if (finished.has(name)) return undefined
    for (const read of byName.get(name)?.reads ?? []) {
      const cycle = visit(read, [...path, name])
      if (cycle !== undefined) return cycle
    }
    finished.add(name)
    return undefined
  }
  for (const node of nodes) {
    const cycle = visit(node.name, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

/** All that `name` is made from, itself left out. */
export function upstream(nodes: readonly LineageNode[], name: string): Set<string> {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  return reach(name, (one) => byName.get(one)?.reads ?? [])
}

/** All that is made from `name`, itself left out. */
export function downstream(nodes: readonly LineageNode[], name: string): Set<string> {
  return reach(name, (one) => nodes.filter((node) => node.reads.includes(one)).map((node) => node.name))
}

function reach(from: string, next: (name: string) => readonly string[]): Set<string> {
  const found = new Set<string>()
  const open = [...next(from)]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name) || name === from) continue
    found.add(name)
    open.push(...next(name))
  }
  return found
}
