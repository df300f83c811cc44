import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, onTestFinished, test } from 'vitest'

export const repository = fileURLToPath(new URL('..', import.meta.url))

const dataFolder = resolve(repository, process.env['SLUICE_TEST_DATA'] ?? '../shared/data')

/** A path in the folder of real data, `SLUICE_TEST_DATA`. `testData('nyc-yellow')` is the folder of the taxi samples. */
export function testData(...segments: string[]): string {
  return join(dataFolder, ...segments)
}

/**
 * A `describe` for tests that read real data. Without the data they are reported as skipped, by name; in CI (`CI=true`) as one failure.
 * The body only declares tests: read the data in them or in `beforeAll`, which do not run when it is absent.
 */
export function describeWithData(name: string, body: () => void): void {
  describeWith(name, body, existsSync(dataFolder), `real data: set SLUICE_TEST_DATA to its folder (${dataFolder} is not there)`)
}

/** A `describe` for tests that need an independent Delta reader: `readerPython()` is a Python with deltalake, duckdb and pyarrow. */
export function describeWithReaders(name: string, body: () => void): void {
  const advice = 'a Delta reader: `pip install deltalake duckdb pyarrow`, then set SLUICE_TEST_PYTHON to that Python'
  describeWith(name, body, isThere('SLUICE_TEST_PYTHON'), advice)
}

/** The Python of `SLUICE_TEST_PYTHON`, for tests within `describeWithReaders`. */
export function readerPython(): string {
  return fromEnvironment('SLUICE_TEST_PYTHON')
}

/** A `describe` for tests that need Spark with Delta Lake: `sparkPython()` is a Python with pyspark, duckdb and pyarrow. */
export function describeWithSpark(name: string, body: () => void): void {
  const advice =
    'Spark: Java 17; a Python with `pip install pyspark==4.1.4 duckdb pyarrow` as SLUICE_TEST_SPARK_PYTHON; and a folder of jars as ' +
    'SLUICE_TEST_DELTA_JARS, by `mvn -f test/readers/delta-pom.xml dependency:copy-dependencies -DoutputDirectory=FOLDER`'
  describeWith(name, body, isThere('SLUICE_TEST_SPARK_PYTHON') && isThere('SLUICE_TEST_DELTA_JARS'), advice)
}

/** The Python of `SLUICE_TEST_SPARK_PYTHON`, for tests within `describeWithSpark`. */
export function sparkPython(): string {
  return fromEnvironment('SLUICE_TEST_SPARK_PYTHON')
}

/** A `describe` for tests that open a page: `chromium()` and `playwright()` are there for them. */
export function describeWithBrowser(name: string, body: () => void): void {
  const advice =
    'a browser: set SLUICE_TEST_CHROMIUM to a chromium, and SLUICE_TEST_PLAYWRIGHT to a folder where playwright-core is installed'
  describeWith(name, body, isThere('SLUICE_TEST_CHROMIUM') && isThere('SLUICE_TEST_PLAYWRIGHT'), advice)
}

/** The path of chromium, for `launch({ executablePath })`. */
export function chromium(): string {
  return fromEnvironment('SLUICE_TEST_CHROMIUM')
}

/** The playwright-core package. It is no dependency of ours, so its types are the caller's to state. */
export function playwright(): unknown {
  return createRequire(join(fromEnvironment('SLUICE_TEST_PLAYWRIGHT'), 'from-here.js'))('playwright-core')
}

/** A `describe` for tests that need an S3 server, `s3Server()`. */
export function describeWithS3(name: string, body: () => void): void {
  const needed = ['S3_URL', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
  const advice = 'an S3 server: `npm run services -- up s3`, then `set -a; . .services/env; set +a`'
  describeWith(
    name,
    body,
    needed.every((variable) => process.env[variable] !== undefined),
    advice,
  )
}

/** Where the server is and who may use it, for `s3Storage(s3Server())` and for `new S3(s3Server())`. */
export function s3Server() {
  return {
    endpoint: fromEnvironment('S3_URL'),
    region: process.env['AWS_REGION'] ?? 'us-east-1',
    credentials: { accessKeyId: fromEnvironment('AWS_ACCESS_KEY_ID'), secretAccessKey: fromEnvironment('AWS_SECRET_ACCESS_KEY') },
    forcePathStyle: true,
  }
}

const leftFolders: string[] = []

/** Called after each file's last test (test/setup.ts), also where files share a process and this module. */
export function removeLeftFolders(): void {
  leftFolders.splice(0).forEach(remove)
}

/** `npm run check` tries one in so many of the faults and drawn cases that `npm test` tries. */
export const PART = Number(process.env['SLUICE_TEST_PART'] ?? 1)

export function part(cases: number): number {
  return Math.ceil(cases / PART)
}

/** A new empty folder, removed after the test; asked for outside of one (`beforeAll`), after the file's last test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  try {
    onTestFinished(() => remove(folder))
  } catch {
    leftFolders.push(folder)
  }
  return folder
}

export interface Ended {
  /** The exit code; 128 and the signal's number for a process that a signal ended, as a shell has it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The one JSON document on stdout. The test says what is in it. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads a document freely, and fails where it is otherwise
  json(): any
}

export interface SluiceOptions {
  /** Added to this process's environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Aborting kills the process. */
  readonly signal?: AbortSignal
}

/** Runs the command line from the repository's root, as a user would: `await sluice('run', '--project', folder, '--json')`. */
export function sluice(...words: string[]): Promise<Ended> {
  return sluiceWith({}, ...words)
}

export function sluiceWith(options: SluiceOptions, ...words: string[]): Promise<Ended> {
  return ended(startSluice(options, ...words))
}

/** Starts the command line and leaves it running, for tests that kill it: `const run = startSluice({}, 'run'); run.kill('SIGKILL')`. */
export function startSluice(options: SluiceOptions, ...words: string[]): ChildProcess {
  const { env, cwd = repository, signal } = options
  const spawning: SpawnOptions = {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  }
  return spawn(process.execPath, [join(repository, 'bin', 'sluice.js'), ...words], spawning)
}

/** What a started process said, once it has ended, however it did. */
export function ended(child: ChildProcess): Promise<Ended> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
  return new Promise((resolveEnd, reject) => {
    child.on('error', (error) => {
      if (error.name !== 'AbortError') reject(error)
    })
    child.on('close', (code, signal) => {
      const text = Buffer.concat(stdout).toString()
      const said = Buffer.concat(stderr).toString()
      resolveEnd({
        code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
        stdout: text,
        stderr: said,
        json() {
          try {
            return JSON.parse(text)
          } catch (error) {
            const seen = `stdout: ${text.slice(0, 500)}\nstderr: ${said.slice(-500)}`
            throw new Error(`stdout is not one JSON document (exit ${code ?? signal})\n${seen}`, { cause: error })
          }
        },
      })
    })
  })
}

/** Without what the suite needs it is reported as skipped, by name; in CI (`CI=true`) as one failure. */
export function describeWith(name: string, body: () => void, there: boolean, need: string): void {
  if (there) describe(name, body)
  else if (process.env['CI'] === 'true') {
    describe(name, () => {
      test('has what it needs', () => {
        throw new Error(`This suite needs ${need}.`)
      })
    })
  } else describe.skip(`${name} (needs ${need})`, body)
}

/** Whether the shell would find the program. */
export function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

function isThere(variable: string): boolean {
  const path = process.env[variable]
  return path !== undefined && existsSync(path)
}

function fromEnvironment(variable: string): string {
  const value = process.env[variable]
  if (value === undefined) throw new Error(`${variable} is not set.`)
  return value
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
