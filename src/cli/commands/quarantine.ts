import type { Session } from '../../engine/index.js'
import { didYouMean, failure, USAGE_WRONG } from '../../errors/index.js'
import {
  type Dataset,
  discardHeld,
  explainHeld,
  listHeld,
  newRunId,
  type ReplayResult,
  replayHeld,
  type StepContext,
  selectDatasets,
  type Workspace,
} from '../../pipeline/index.js'
import type { HeldFilter } from '../../quality/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS, wholeNumber } from '../command.js'
import { cellText, count, table } from '../output.js'

const ACTIONS = ['ls', 'explain', 'replay', 'discard']

export const quarantine: Command = {
  name: 'quarantine',
  summary: 'List, explain, replay or discard rows that were held back.',
  usage: 'ls|explain|replay|discard [dataset...]',
  examples: [
    'sluice quarantine ls',
    'sluice quarantine explain silver.trips --expectation fare_not_negative',
    'sluice quarantine replay silver.trips --var max_trip_hours=48',
    'sluice quarantine discard silver.trips --expectation payment_fields_present --yes',
  ],
  details: `replay judges held rows by the expectations as they are now and merges those that pass into their table, each once;
what reads that table catches up on the next run. discard takes rows out for good.`,
  options: {
    ...PROJECT_OPTIONS,
    expectation: { type: 'string', value: 'NAME', help: 'only rows held under this expectation' },
    run: { type: 'string', value: 'ID', help: 'only rows held by this run' },
    limit: { type: 'string', value: 'N', help: 'explain: examples for each expectation (default: 3)' },
    yes: { type: 'boolean', help: 'discard: do it' },
  },
  async run(invocation) {
    const [action = '', ...select] = invocation.positionals
    const workspace = await invocation.workspace()
    try {
      switch (action) {
        case 'ls':
          return await list(invocation, workspace, select)
        case 'explain':
          return await explain(invocation, workspace, select)
        case 'replay':
          return await replay(invocation, workspace, select)
        case 'discard':
          return await discard(invocation, workspace, select)
        default:
          throw failure(USAGE_WRONG, {
            command: 'quarantine',
            problem:
              action === ''
                ? `It needs one of ${ACTIONS.join(', ')}.`
                : `There is no \`quarantine ${action}\`. ${didYouMean(action, ACTIONS)}`,
          })
      }
    } finally {
      await workspace.close()
    }
  },
}

function filterOf(invocation: Invocation): HeldFilter {
  const [expectation, runId] = [invocation.text('expectation'), invocation.text('run')]
  return { ...(expectation === undefined ? {} : { expectation }), ...(runId === undefined ? {} : { runId }) }
}

async function list({ output }: Invocation, workspace: Workspace, select: readonly string[]): Promise<number> {
  const held = await listHeld(workspace, select)
  if (output.json) output.document(held)
  else if (held.rows === 0) output.print('No rows are held.')
  else {
    const rows = held.groups.map((group) => [group.dataset, group.expectation, count(group.rows)])
    output.print(
      `${table(['dataset', 'expectation', 'rows'], rows)}\n\n${count(held.rows)} rows are held; one that broke two expectations counts under both.`,
    )
  }
  return 0
}

async function explain(invocation: Invocation, workspace: Workspace, select: readonly string[]): Promise<number> {
  const { output } = invocation
  const limit = wholeNumber(quarantine, invocation, 'limit', 3)
  const session = await workspace.connect()
  const examples = []
  for (const dataset of selectDatasets(workspace.project.datasets, select)) {
    examples.push(...(await explainHeld(workspace, session, dataset, { expectation: invocation.text('expectation'), limit })))
  }
  if (output.json) {
    output.document({ groups: examples.map(({ columns: _, ...one }) => one) })
    return 0
  }
  if (examples.length === 0) output.print('No rows are held.')
  for (const one of examples) {
    output.print(
      `${output.style('bold', `${one.dataset}  ${one.expectation}`)}  ${count(one.rows)} rows${one.description === '' ? '' : `\n  expected: ${one.description}`}`,
    )
    if (one.withheld.length > 0) output.print(`  not shown (pii): ${one.withheld.join(', ')}`)
    for (const [index, example] of one.examples.entries()) {
      const shown = one.columns
        .filter((column) => cellText(example[column]) !== '')
        .map((column) => `    ${column.padEnd(24)} ${cellText(example[column])}`)
      output.print([`  row ${index + 1}`, ...shown].join('\n'))
    }
  }
  return 0
}

async function withWriter<Result>(
  workspace: Workspace,
  select: readonly string[],
  purpose: string,
  work: (step: StepContext) => Promise<Result>,
): Promise<Result[]> {
  const datasets: Dataset[] = selectDatasets(workspace.project.datasets, select)
  const lease = await workspace.takeLease({ purpose })
  try {
    const results: Result[] = []
    const runId = newRunId()
    for (const dataset of datasets) {
      const session: Session = await workspace.connect()
      try {
        results.push(await work({ workspace, session, lease, runId, dataset, previousRows: undefined, report: () => {} }))
      } finally {
        await session.close()
      }
    }
    return results
  } finally {
    await workspace.close()
    await lease.release()
  }
}

async function replay(invocation: Invocation, workspace: Workspace, select: readonly string[]): Promise<number> {
  const filter = filterOf(invocation)
  const results: ReplayResult[] = await withWriter(workspace, select, 'sluice quarantine replay', (step) => replayHeld(step, filter))
  const total = (count: (one: ReplayResult) => number) => results.reduce((sum, one) => sum + count(one), 0)
  const document = {
    replayed: total((one) => one.replayed),
    accepted: total((one) => one.accepted),
    stillQuarantined: total((one) => one.stillQuarantined),
    datasets: results.filter((one) => one.replayed > 0),
  }
  if (invocation.output.json) invocation.output.document(document)
  else {
    invocation.output.print(
      `${count(document.replayed)} rows judged again: ${count(document.accepted)} now pass and are in their table, ${count(document.stillQuarantined)} are still held.`,
    )
    if (document.accepted > 0) invocation.output.print('`sluice run` brings what reads them up to date.')
  }
  return 0
}

async function discard(invocation: Invocation, workspace: Workspace, select: readonly string[]): Promise<number> {
  if (select.length === 0) throw failure(USAGE_WRONG, { command: 'quarantine', problem: 'discard needs the name of a dataset.' })
  if (!invocation.flag('yes'))
    throw failure(USAGE_WRONG, { command: 'quarantine', problem: 'discard takes rows out for good; add --yes to do it.' })
  const filter = filterOf(invocation)
  const results = await withWriter(workspace, select, 'sluice quarantine discard', (step) => discardHeld(step, filter))
  const discarded = results.reduce((sum, one) => sum + one, 0)
  if (invocation.output.json) invocation.output.document({ discarded })
  else invocation.output.print(`${count(discarded)} rows were discarded.`)
  return 0
}
