import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { copyProject } from '../end-to-end/taxi.js'
import { chromium, describeWithBrowser, playwright, sluice, temporaryFolder } from '../fixtures.js'

/** What these tests use of playwright-core, which is no dependency of ours. */
interface Page {
  goto(url: string): Promise<unknown>
  on(event: 'request', listener: (request: { url(): string }) => void): void
  on(event: 'pageerror', listener: (error: Error) => void): void
  on(event: 'console', listener: (message: { type(): string; text(): string }) => void): void
  evaluate<Result>(script: string): Promise<Result>
  textContent(selector: string): Promise<string | null>
  close(): Promise<void>
}
interface Browser {
  newPage(options: {
    readonly viewport: { readonly width: number; readonly height: number }
    readonly colorScheme: 'light' | 'dark'
  }): Promise<Page>
  close(): Promise<void>
}
interface Playwright {
  readonly chromium: { launch(options: { readonly executablePath: string; readonly args: readonly string[] }): Promise<Browser> }
}

describeWithBrowser('the report of a run, in a browser', () => {
  let browser: Browser
  let page: string
  beforeAll(async () => {
    // Definitions import the package by name, so the copy carries its own link to it.
    const project = join(temporaryFolder(), 'taxi')
    copyProject(project)
    const run = await sluice('run', '--project', project, '--var', 'rows=20000', '--json')
    expect(run.code, run.stdout + run.stderr).toBe(0)
    page = join(project, 'target', 'report.html')
    const args = ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync']
    browser = await (playwright() as Playwright).chromium.launch({ executablePath: chromium(), args })
  })
  afterAll(() => browser?.close())

  async function open(width: number, colorScheme: 'light' | 'dark'): Promise<{ shown: Page; requests: string[]; errors: string[] }> {
    const shown = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
    onTestFinished(() => shown.close())
    const requests: string[] = []
    const errors: string[] = []
    shown.on('request', (request) => void requests.push(request.url()))
    shown.on('pageerror', (error) => void errors.push(error.message))
    shown.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())))
    await shown.goto(`file://${page}`)
    return { shown, requests, errors }
  }

  test.each([
    [1280, 'light'],
    [1280, 'dark'],
    [400, 'light'],
  ] as const)('at %i pixels, %s: loads nothing else, has no error, does not scroll sideways', async (width, colorScheme) => {
    const { shown, requests, errors } = await open(width, colorScheme)
    expect(requests).toEqual([`file://${page}`])
    expect(errors).toEqual([])
    expect(await shown.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBeLessThanOrEqual(
      0,
    )
  })

  test('says what ran, what is held and how to explain it, and that the rows are synthetic', async () => {
    const { shown } = await open(1280, 'light')
    const text = (await shown.textContent('body')) ?? ''
    for (const words of [
      'silver.trips',
      '20,000 rows in',
      'synthetic',
      'sluice quarantine explain silver.trips --expectation payment_fields_present',
    ]) {
      expect(text).toContain(words)
    }
    expect(await shown.evaluate<number>("document.querySelectorAll('svg').length")).toBeGreaterThan(1)
  })

  test('draws metrics over time, the slowest steps and the alerts, with something to see in each', async () => {
    const { shown } = await open(1280, 'light')
    const text = async (part: string) => (await shown.textContent(part)) ?? ''
    expect(await text('#alerts')).toMatch(/alerts judged at \d{4}-\d\d-\d\d/)
    expect(await text('#slowest')).toContain('bronze.raw_trips')
    expect(await text('#metrics')).toContain('Rows written by a run')
    const drawn = "[...document.querySelectorAll('#metrics .over-time path')].filter((path) => path.getAttribute('d') !== '')"
    // Two charts of runs, and for silver.trips its held rows, size and files.
    expect(await shown.evaluate<number>(`${drawn}.length`)).toBeGreaterThanOrEqual(5)
    expect(await shown.evaluate<boolean>(`${drawn}.every((path) => path.closest('svg').getBoundingClientRect().width > 50)`)).toBe(true)
  })

  test('its colours follow the scheme', async () => {
    const background = 'getComputedStyle(document.body).backgroundColor'
    const [light, dark] = [await open(1280, 'light'), await open(1280, 'dark')]
    expect(await light.shown.evaluate<string>(background)).not.toBe(await dark.shown.evaluate<string>(background))
  })

  test('is one file that names no script, style or font elsewhere', () => {
    expect(readFileSync(page, 'utf8')).not.toMatch(/(?:src|href)="https?:/)
  })
})
