import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { isAlert } from '../../src/observability/index.js'
import { defaultAlerts, FRAMEWORK_METRICS } from '../../src/pipeline/index.js'
import { ended, repository, sluice, startSluice, temporaryFolder } from '../fixtures.js'
import { fencesOf, sluiceForShells, typeAll, writeFence } from './page.js'

const page = readFileSync(join(repository, 'docs', 'monitoring.md'), 'utf8')
const fences = fencesOf('monitoring.md')
const blocks = (language: string) => fences.filter((one) => one.language === language).map(({ text }) => text)

/** The project of the guide, and a `sluice` for the shell. */
let project: string
let shell: string
beforeAll(async () => {
  project = join(temporaryFolder(), 'shop')
  expect((await sluice('init', project)).code).toBe(0)
  shell = sluiceForShells()
})

test('what is typed into a terminal prints what the page says, and the files of the page are what it takes', async () => {
  let commands = 0
  for (const fence of fences) {
    if (fence.language === 'ts') expect(writeFence(fence, project), fence.text).toBe(true)
    if (fence.language === '') commands += await typeAll(fence, project, shell)
  }
  expect(commands).toBeGreaterThan(14)
})

test('its definitions are right by their types', () => {
  symlinkSync(join(repository, 'node_modules'), join(project, 'node_modules'))
  const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
  const checked = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' })
  expect(checked.stdout).toBe('')
  expect(checked.status).toBe(0)
})

/** Runs code as a user's script, which finds packages by their names. */
function script(code: string): string {
  const folder = temporaryFolder()
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'page.mjs'), code)
  return execFileSync(process.execPath, ['page.mjs'], { cwd: folder, encoding: 'utf8' }).trim()
}

test('recording prints what the page says', () => {
  const [recording = ''] = blocks('js')
  const said = [...recording.matchAll(/^\/\/ (.*)$/gm)].map((match) => match[1])
  expect(said.length).toBe(4)
  expect(script(recording).split('\n')).toEqual(said)
})

test('the middleware of Express, Hono and Fastify counts a request under its route', () => {
  const servers = blocks('js').slice(1)
  expect(servers.length).toBe(3)
  const requests = `
    import { defaultRegistry, exposition } from 'sluice/observability'
    const listening = shop.listen(0)
    await new Promise((resolve) => listening.once('listening', resolve))
    const address = 'http://127.0.0.1:' + listening.address().port
    const answers = [
      await (await fetch(address + '/orders/7')).text(),
      await (await app.request('/orders/8')).text(),
      (await server.inject('/orders/9')).body,
      (await (await fetch(address + '/metrics')).text()).includes('http_server_requests_total') ? 'seen' : 'not seen',
      (await (await app.request('/metrics')).text()).includes('http_server_requests_total') ? 'seen' : 'not seen',
    ]
    listening.close()
    listening.closeAllConnections()
    console.log(answers.join(' '))
    console.log(exposition(defaultRegistry.collect(), 'text').split('\\n').filter((line) => line.startsWith('http_server_requests_total')).join('\\n'))`
  const printed = script(servers.join('\n') + requests).split('\n')
  expect(printed[0]).toBe('7 8 9 seen seen')
  expect(printed).toContain('http_server_requests_total{method="GET",route="/orders/:id",status="200"} 3')
})

test('signals print as the PromQL beside them', () => {
  const rows = [...page.matchAll(/^\| `([^`]+)` \| `([^`]*sluice_[^`]*)` \|$/gm)].map(([, code = '', text = '']) => ({ code, text }))
  expect(rows.length).toBeGreaterThan(3)
  const code = [
    "import { rows, stepSeconds, stepSucceeded } from 'sluice/metrics'",
    "import { promql } from 'sluice/observability'",
    ...rows.map((row) => `console.log(promql((${row.code}).expression))`),
  ]
  expect(script(code.join('\n')).split('\n')).toEqual(rows.map(({ text }) => text))
})

describe('with the project served', () => {
  test('the addresses of the page answer', async () => {
    const serving = startSluice({}, 'serve', '--project', project, '--port', '0', '--json')
    const over = ended(serving)
    try {
      const printed = await new Promise<string>((resolve) => {
        let text = ''
        serving.stdout?.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          if (text.trimEnd().endsWith('}')) resolve(text)
        })
      })
      const { address } = JSON.parse(printed) as { address: string }
      const lines = blocks('sh').flatMap((text) => text.trim().split('\n'))
      expect(lines.length).toBe(3)
      for (const line of lines) {
        const [, url = '', , query] = /^curl -G (\S+)( --data-urlencode 'query=(.*)')?$/.exec(line) ?? []
        const asked = new URL(url.replace('http://127.0.0.1:9464', address))
        if (query !== undefined) asked.searchParams.set('query', query)
        const { status, data } = (await (await fetch(asked)).json()) as { status: string; data: { result?: unknown[] } & unknown[] }
        expect(status, line).toBe('success')
        expect((data.result ?? data).length, line).toBeGreaterThan(0)
      }
      expect(await (await fetch(`${address}/metrics`)).text()).toContain('sluice_run_failed 0')
      expect(await (await fetch(`${address}/runbooks/RefundsHigh`)).text()).toContain('Ask the shop.')
    } finally {
      serving.kill('SIGTERM')
      await over
    }
  })
})

test('the table of metrics is what the framework has', () => {
  const listed = [...page.matchAll(/^\| `(sluice_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm)].map((match) => match.slice(1, 5))
  const metrics = FRAMEWORK_METRICS.map(({ definition: { name, kind, labelNames, help } }) => [
    name,
    kind,
    labelNames.map((label) => `\`${label}\``).join(', '),
    help,
  ])
  const byName = (a: readonly (string | undefined)[], b: readonly (string | undefined)[]) => String(a[0]).localeCompare(String(b[0]))
  expect(listed.sort(byName)).toEqual(metrics.sort(byName))
})

test('the table of default alerts is what every project has', () => {
  const [table = ''] = /^## Default alerts\n[\s\S]*?^## /m.exec(page) ?? []
  const listed = [...table.matchAll(/^\| `(\w+)` \|.*\| (\w+) \|$/gm)].map((match) => [match[1], match[2]])
  expect(listed).toEqual(
    defaultAlerts([])
      .filter(isAlert)
      .map(({ name, severity }) => [name, severity]),
  )
})
