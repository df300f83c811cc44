import { cpSync } from 'node:fs'
import { test } from 'vitest'
import { shop } from './project.js'
test('make', async () => {
  const one = await shop({ receivers: { url: 'http://127.0.0.1:9', smtp: '127.0.0.1:9' } })
  cpSync(one.folder, '/tmp/tryshop', { recursive: true })
})
