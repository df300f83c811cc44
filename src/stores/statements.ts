/** Whose text, comments and bodies a semicolon may stand in. */
export type StatementSyntax = 'mysql' | 'postgres'

/**
 * The statements of a script, without what ends them: `SELECT 1; SELECT ';'` are two. Comments stay with the statement that they precede; a
 * statement of nothing but comments is none.
 *
 * In MySQL's, as its own clients have it, `DELIMITER //` on a line of its own changes what ends a statement; in PostgreSQL's, a body of BEGIN ATOMIC is
 * one with its function.
 */
export function splitStatements(text: string, syntax: StatementSyntax): string[] {
  const mysql = syntax === 'mysql'
  const statements: string[] = []
  let delimiter = ';'
  let start = 0
  let place = 0
  /** Whether there is more than space and comments since `start`. */
  let something = false
  let depth = 0
  const end = (at: number) => {
    if (something) statements.push(text.slice(start, at).trim())
    something = false
    depth = 0
  }
  /** Passes what a pattern, sticky, finds here. */
  const passes = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = place
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) place += found.length
    return found
  }
  while (place < text.length) {
    if (passes(/\s+/y) !== undefined) continue
    if (mysql && !something) {
      const line = passes(/delimiter[ \t]+(\S+)[^\n]*/iy)
      if (line !== undefined) {
        delimiter = line.trim().split(/\s+/)[1] ?? ';'
        start = place
        continue
      }
    }
    if (depth === 0 && text.startsWith(delimiter, place)) {
      end(place)
      place += delimiter.length
      start = place
      continue
    }
    if (mysql) {
      if (passes(/#[^\n]*|--(?=\s|$)[^\n]*/y) !== undefined) continue
      // A comment with `!` is run.
      if (passes(/\/\*(?!!|M!)[\s\S]*?(?:\*\/|$)/y) !== undefined) continue
      something = true
      if (passes(/'(?:[^'\\]|\\[\s\S]|'')*'?|"(?:[^"\\]|\\[\s\S]|"")*"?|`(?:[^`]|``)*`?/y) !== undefined) continue
    } else {
      if (passes(/--[^\n]*/y) !== undefined) continue
      if (text.startsWith('/*', place)) {
        place = afterNested(text, place)
        continue
      }
      something = true
      if (passes(/[eE]'(?:[^'\\]|\\[\s\S]|'')*'?|'(?:[^']|'')*'?|"(?:[^"]|"")*"?/y) !== undefined) continue
      const tag = passes(/\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y)
      if (tag !== undefined) {
        const close = text.indexOf(tag, place)
        place = close < 0 ? text.length : close + tag.length
        continue
      }
      if (depth === 0 ? passes(/begin\s+atomic\b/iy) !== undefined : passes(/case\b/iy) !== undefined) {
        depth += 1
        continue
      }
      if (depth > 0 && passes(/end\b/iy) !== undefined) {
        depth -= 1
        continue
      }
    }
    // A word is passed whole, lest a dollar in it begin a text; MySQL's may be followed by a delimiter of dollars.
    if (passes(mysql ? /[\w\u0080-\uffff]+/y : /[\w$\u0080-\uffff]+/y) === undefined) place += 1
  }
  end(text.length)
  return statements
}

/** Where a comment of PostgreSQL, in which others may stand, has ended. */
function afterNested(text: string, from: number): number {
  const mark = /\/\*|\*\//g
  mark.lastIndex = from
  let depth = 0
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    depth += found[0] === '/*' ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
  return text.length
}
