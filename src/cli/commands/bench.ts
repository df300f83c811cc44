import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { failure, messageOf, USAGE_WRONG, WORKLOAD_UNSUPPORTED } from '../../errors/index.js'
import { namedStores, openStores, requireMigrated, type Workspace } from '../../pipeline/index.js'
import { cpuMeter, keepOperations, memoryShare, type Operation } from '../../pipeline/operations.js'
import { workloadTimeline } from '../../report/workload-timeline.js'
import type { OpenStore, Store } from '../../stores/index.js'
import { type KindFigures, runWorkload, type WorkloadResult } from '../../sync/workload.js'
import { type Command, type Invocation, PROJECT_OPTIONS, wholeNumber } from '../command.js'
import { count, duration, type Output, table } from '../output.js'
import { writeFileWhole } from '../target.js'
import { runVerb } from '../verbs.js'

export const bench: Command = {
  name: 'bench',
  summary: 'Put a store under load, by writers and readers side by side, and see that nothing is lost.',
  usage: 'store',
  examples: [
    'sluice bench store',
    'sluice bench store --inserters 3 --updaters 2 --selectors 5',
    'sluice bench store --store warehouse --seconds 30 --json',
  ],
  details: `Works on tables of its own, which it takes away again. Inserters put rows in, 5 a transaction; updaters change the same rows in different
orders, so that deadlocks happen, and make such a transaction again; selectors ask for aggregates. A latency is what a caller waits: from the
first attempt at an operation to the end of the last. At the end the books are balanced: every insert is there exactly once, and the totals
are what was committed; it exits 1 when they are not. The picture has a lane for each worker.`,
  options: {
    ...PROJECT_OPTIONS,
    store: { type: 'string', value: 'NAME', help: "one of sluice.config.ts's stores (default: the first that runs SQL)" },
    table: { type: 'string', value: 'NAME', help: 'the table to make (default: sluice_bench_ and a number)' },
    inserters: { type: 'string', value: 'N', help: 'workers that insert (default: 3)' },
    updaters: { type: 'string', value: 'N', help: 'workers that update (default: 2)' },
    selectors: { type: 'string', value: 'N', help: 'workers that select (default: 5)' },
    inserts: { type: 'string', value: 'N', help: 'rows of each inserter (default: 100)' },
    updates: { type: 'string', value: 'N', help: 'transactions of each updater (default: 50)' },
    selects: { type: 'string', value: 'N', help: 'aggregates of each selector (default: as long as others write)' },
    seconds: { type: 'string', value: 'N', help: 'in place of those numbers: how long all of them work' },
    seed: { type: 'string', value: 'N', help: 'what amounts and orders are drawn from (default: 42)' },
    keep: { type: 'boolean', help: 'leave its tables there' },
    out: { type: 'string', value: 'FILE', help: 'the picture (default: target/bench-store.svg, in the project)' },
  },
  run: (invocation) => runVerb('bench', { store: benchStore }, invocation),
}

/** Connections at most: a server has some hundred, and others want some. */
const MOST_WORKERS = 100

async function benchStore(invocation: Invocation): Promise<number> {
  const { output, signal } = invocation
  const whole = (name: string, otherwise: number) => wholeNumber(bench, invocation, name, otherwise)
  const optional = (name: 'seconds' | 'selects') => (invocation.text(name) === undefined ? {} : { [name]: whole(name, 0) })
  const [inserters, updaters, selectors] = [whole('inserters', 3), whole('updaters', 2), whole('selectors', 5)]
  const workers = inserters + updaters + selectors
  if (workers === 0 || workers > MOST_WORKERS)
    throw failure(USAGE_WRONG, { command: 'bench', problem: `It takes 1 to ${MOST_WORKERS} workers; these are ${workers}.` })
  const name = invocation.text('table') ?? `sluice_bench_${randomBytes(4).toString('hex')}`
  if (!/^[a-z][a-z0-9_]{0,49}$/i.test(name))
    throw failure(USAGE_WRONG, { command: 'bench', problem: `--table takes a name of up to 50 letters, digits and _; "${name}" is none.` })
  const workspace = await invocation.workspace()
  try {
    const [storeName, store] = storeOf(workspace, invocation.text('store'))
    // Not by the command's signal, which would end its connections: they are needed to take the tables away.
    const open = await store.open({ projectFolder: workspace.project.folder })
    try {
      const { sql } = open
      if (sql === undefined) throw failure(WORKLOAD_UNSUPPORTED, { store: store.describe(), known: ['mysql', 'postgres', 'duckdb'] })
      const cpu = cpuMeter()
      const result = await runWorkload(sql, {
        ...{ table: name, inserters, updaters, selectors, signal, keep: invocation.flag('keep') },
        ...{ inserts: whole('inserts', 100), updates: whole('updates', 50), seed: whole('seed', 42) },
        ...optional('seconds'),
        ...optional('selects'),
        onProgress: (operations) => operations % 20 === 0 && output.transient(`${count(operations)} operations`),
      })
      const share = cpu()
      const picture = draw(invocation, workspace, result, `${workers} workers on ${open.version}, ${duration(result.milliseconds)}`)
      await keep(workspace, output, operationsOf(store, result, share))
      const { attempts, ...figures } = result
      if (output.json)
        output.document({
          store: storeName,
          address: store.describe(),
          version: open.version,
          ...figures,
          attempts: attempts.length,
          picture,
        })
      else print(output, result, { storeName, store, open, picture })
      return result.invariants.every((one) => one.held) ? 0 : 1
    } finally {
      await open.close()
    }
  } finally {
    await workspace.close()
  }
}

/** Throws STORE_UNKNOWN; WORKLOAD_UNSUPPORTED when no store runs SQL. */
function storeOf(workspace: Workspace, name: string | undefined): [string, Store] {
  const stores = namedStores(workspace, name === undefined ? [] : [name])
  const chosen = name === undefined ? stores.find(([, store]) => store.capabilities.sql) : stores[0]
  if (chosen === undefined) throw failure(WORKLOAD_UNSUPPORTED, { store: 'this project', known: ['mysql', 'postgres', 'duckdb'] })
  return chosen
}

function draw(invocation: Invocation, workspace: Workspace, result: WorkloadResult, title: string): string {
  const out = invocation.text('out')
  const path = out === undefined ? join(workspace.project.folder, 'target', 'bench-store.svg') : resolve(out)
  mkdirSync(dirname(path), { recursive: true })
  writeFileWhole(path, workloadTimeline(result, title))
  return path
}

/** For the table that `records.operations` names: an entry a kind of operation. */
function operationsOf({ kind: store }: Store, { kinds, invariants, givenUp }: WorkloadResult, cpu: number): Operation[] {
  const broken = invariants.filter((one) => !one.held).length
  const about = { at: new Date(), store, cpu, memory: memoryShare() }
  return kinds
    .filter((one) => one.operations > 0)
    .map(({ kind, rows, latency }, index) => ({
      ...about,
      ...{ operation: `workload ${kind}`, latencyMs: latency?.mean ?? 0, rows },
      // What is about all of them stands with one.
      ...{ mismatches: index === 0 ? broken : 0, errors: index === 0 ? givenUp : 0 },
    }))
}

async function keep(workspace: Workspace, output: Output, operations: readonly Operation[]): Promise<void> {
  const { records } = workspace.project.config
  if (records?.operations === undefined || workspace.signal?.aborted === true) return
  const stores = openStores(workspace)
  try {
    await keepOperations(
      stores,
      (open, store) => requireMigrated(workspace, open, store),
      { operations: records.operations },
      operations,
      [],
    )
  } catch (thrown) {
    output.progress(`What it cost is not kept in ${records.operations.name}: ${messageOf(thrown)}`)
  } finally {
    await stores.close()
  }
}

interface About {
  readonly storeName: string
  readonly store: Store
  readonly open: OpenStore
  readonly picture: string
}

function print(output: Output, result: WorkloadResult, { storeName, store, open, picture }: About): void {
  const { style } = output
  output.print(`${style('bold', storeName)}  ${style('dim', `${store.describe()}, ${open.version}`)}`)
  if (result.leftOut !== undefined) output.print(`Left out: ${result.leftOut}.`)
  output.print(
    `\n${table(['operation', 'workers', 'done', 'rows', 'a second', 'p50', 'p95', 'p99', 'max', 'retries', 'deadlocks', 'lock timeouts'], result.kinds.map(cells))}`,
  )
  const errors = Object.entries(result.errors)
  if (errors.length > 0) output.print(`\nFailed attempts: ${errors.map(([code, times]) => `${code} ${count(times)}`).join(', ')}`)
  output.print(`\n${duration(result.milliseconds)}, seed ${result.seed}${result.interrupted ? ', interrupted' : ''}\n`)
  for (const { name, held, expected, found } of result.invariants)
    output.print(
      held ? `${style('green', 'held')}    ${name}: ${found}` : `${style('red', 'BROKEN')}  ${name}: expected ${expected}, found ${found}`,
    )
  output.print(`\nTimeline: ${relative(process.cwd(), picture)}`)
}

function cells({ kind, workers, operations, rows, perSecond, latency, retries, deadlocks, lockTimeouts }: KindFigures): string[] {
  const { p50, p95, p99, max } = latency ?? {}
  const times = [p50, p95, p99, max].map((one) => (one === undefined ? '' : milliseconds(one)))
  const counts = [retries, deadlocks, lockTimeouts].map(count)
  return [kind, count(workers), count(operations), count(rows), perSecond.toFixed(perSecond < 100 ? 1 : 0), ...times, ...counts]
}

function milliseconds(value: number): string {
  return value < 10 ? `${value.toFixed(2)} ms` : duration(value)
}
