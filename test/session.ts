import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { duckdb, type Engine, type Row, type Session } from '../src/engine/index.js'

/** An embedded DuckDB for the tests of one file: `const session = openSession()`, then `session()` within a test. */
export function openSession(): () => Session {
  let engine: Engine | undefined
  let opened: Session | undefined
  beforeAll(async () => {
    engine = duckdb({ threads: 2, memory: '512MB', temporaryFolder: join(tmpdir(), `sluice-test-engine-${process.pid}-${Date.now()}`) })
    opened = await engine.connect()
  })
  afterAll(async () => {
    await opened?.close()
    await engine?.close()
  })
  return () => {
    if (opened === undefined) throw new Error('the session is open within tests only')
    return opened
  }
}

/** Rows as lines of text, sorted: `['1 a', '2 null']`. */
export function asText(rows: readonly Row[]): string[] {
  return rows.map((row) => Object.values(row).map(String).join(' ')).sort()
}
