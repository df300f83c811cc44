import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { repository, temporaryFolder } from '../fixtures.js'

test('docs/tables.md runs as it stands, and prints what it says', () => {
  const page = readFileSync(join(repository, 'docs', 'tables.md'), 'utf8')
  const blocks = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  expect(blocks.length).toBeGreaterThan(6)
  const folder = temporaryFolder()
  const table = pathToFileURL(join(repository, 'dist', 'table', 'index.js')).href
  writeFileSync(join(folder, 'page.mjs'), blocks.join('\n').replace("'sluice/table'", JSON.stringify(table)))
  const printed = execFileSync(process.execPath, ['page.mjs'], { cwd: folder, encoding: 'utf8' })
  expect(printed.trim().split('\n')).toEqual([
    'false',
    '7n 71.00',
    '5000n 72.00',
    '[ { n: 1n } ]',
    '[',
    "  { _change_type: 'delete', n: 9n },",
    "  { _change_type: 'insert', n: 2n },",
    "  { _change_type: 'update_postimage', n: 3n },",
    "  { _change_type: 'update_preimage', n: 3n }",
    ']',
    "[ 'OPTIMIZE', 'WRITE' ]",
  ])
})
