import { depths, type LineageNode, topological } from './graph.js'

/** The graph as indented text: each dataset once, under the first that it reads. */
export function lineageText(nodes: readonly LineageNode[]): string {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const depth = depths(nodes)
  const lines = topological(nodes).map((name) => {
    const node = byName.get(name)
    const from = [...(node?.reads ?? []), ...(node?.source === undefined ? [] : [node.source])]
    return `${'  '.repeat(depth.get(name) ?? 0)}${name}${from.length === 0 ? '' : `  <- ${from.join(', ')}`}`
  })
  return lines.join('\n')
}

/** The graph as a Mermaid flowchart. */
export function lineageMermaid(nodes: readonly LineageNode[]): string {
  const id = (name: string) => name.replaceAll(/[^A-Za-z0-9]/g, '_')
  const quoted = (text: string) => `"${text.replaceAll('"', '#quot;')}"`
  const lines = topological(nodes).flatMap((name) => {
    const node = nodes.find((one) => one.name === name)
    return [
      `  ${id(name)}[${quoted(name)}]`,
      ...(node?.reads ?? []).map((read) => `  ${id(read)} --> ${id(name)}`),
      ...(node?.source === undefined ? [] : [`  ${id(name)}_source[/${quoted(node.source)}/] --> ${id(name)}`]),
    ]
  })
  return `flowchart LR\n${lines.join('\n')}\n`
}
