import { splitStatements } from '../stores/index.js'

/** One statement of a script, and the line it begins on, from 1. */
export interface Statement {
  readonly text: string
  readonly line: number
}

/** The statements of a script, as the dialect's own client would part them. */
export function statementsOf(script: string, dialect: string): Statement[] {
  let from = 0
  return splitStatements(script, dialect === 'mysql' ? 'mysql' : 'postgres').map((text) => {
    const at = script.indexOf(text, from)
    from = at + text.length
    return { text, line: script.slice(0, at).split('\n').length }
  })
}
