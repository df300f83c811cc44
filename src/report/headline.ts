import { bytes, count, counted, duration, total } from './format.js'
import type { ReportModel, ReportStep } from './model.js'
import { storesInShort } from './store-findings.js'

/** The run in one sentence, and what a reader asks next. */
export interface Headline {
  readonly sentence: string
  readonly detail: string
}

export function headlineOf(model: ReportModel): Headline {
  const { sentence, detail } = headlineOfRun(model)
  return { sentence, detail: sentences(detail, storesInShort(model)) }
}

function headlineOfRun(model: ReportModel): Headline {
  switch (model.run.status) {
    case 'failed':
      return { sentence: whereItFailed(model.steps), detail: sentences(rowsThatCame(model), whatWasWritten(model)) }
    case 'cancelled':
      return { sentence: `Cancelled after ${progress(model.steps)}.`, detail: whatWasWritten(model) }
    case 'interrupted':
      return {
        sentence: `Interrupted after ${progress(model.steps)}.`,
        detail: sentences('The next run completes what this one left.', whatWasWritten(model)),
      }
    default:
      return whatCameOfIt(model)
  }
}

function whatCameOfIt(model: ReportModel): Headline {
  const { steps, run } = model
  if (steps.length === 0) return { sentence: 'No steps ran.', detail: `The run took ${duration(run.durationMs)}.` }
  if (steps.every((step) => step.status === 'skipped')) {
    const upToDate = steps.length === 1 ? '1 dataset is up to date' : `${count(steps.length)} datasets are up to date`
    return { sentence: 'Nothing new.', detail: `${upToDate}; looking took ${duration(run.durationMs)}.` }
  }
  return { sentence: rowsThatCame(model) || 'No rows came in.', detail: whatWasWritten(model) }
}

function whereItFailed(steps: readonly ReportStep[]): string {
  const failed = withStatus(steps, 'failed')
  const blocked = withStatus(steps, 'blocked').length
  const [first] = failed
  const refused = steps.flatMap((step) => step.files).filter((file) => file.status === 'refused').length
  if (first === undefined && refused > 0) return `${counted(refused, 'file')} refused; all else is done.`
  if (first === undefined) return steps.length === 0 ? 'Failed before any step ran.' : 'Failed outside its steps.'
  const place = failed.length === 1 ? `at ${first.dataset}` : `at ${failed.length} of ${counted(steps.length, 'step')}`
  return blocked === 0 ? `Failed ${place}.` : `Failed ${place}; ${counted(blocked, 'step')} blocked.`
}

/**
 * Rows are counted where the sentence stays true. Summing over all gates would count a trip at bronze and again at silver, so accepted
 * and held are given for the one gate that held rows, and otherwise only what came in from sources.
 */
function rowsThatCame({ steps, datasets }: ReportModel): string {
  const holding = steps.filter((step) => step.rowsQuarantined > 0)
  const [gate] = holding
  if (gate !== undefined && holding.length === 1) {
    const accepted = `${count(gate.rowsAccepted)} accepted, ${count(gate.rowsQuarantined)} held`
    return `${counted(gate.rowsIn, 'row')} in; ${accepted} at ${gate.dataset}.`
  }
  const derived = new Set(datasets.filter(({ reads }) => reads.length > 0).map(({ name }) => name))
  const entries = steps.filter((step) => !derived.has(step.dataset))
  const arrived = total(entries, (step) => step.rowsIn)
  const accepted = total(entries, (step) => step.rowsAccepted)
  const held = total(holding, (step) => step.rowsQuarantined)
  if (held > 0) return `${counted(arrived, 'row')} in; ${count(held)} held at ${counted(holding.length, 'gate')}.`
  if (arrived > 0) return `${counted(arrived, 'row')} in, ${accepted === arrived ? 'all' : count(accepted)} accepted.`
  return ''
}

function whatWasWritten({ steps }: ReportModel): string {
  const written = steps.filter((step) => step.status === 'ok')
  const skipped = withStatus(steps, 'skipped').length
  const rows = counted(
    total(written, (step) => step.rowsWritten),
    'row',
  )
  const size = bytes(total(written, (step) => step.bytesWritten))
  const facts = written.length === 0 ? 'Nothing was written' : `${counted(written.length, 'dataset')} written: ${rows}, ${size}`
  return sentences(`${facts}.`, skipped > 0 && `Nothing new for ${counted(skipped, 'dataset')}.`)
}

function progress(steps: readonly ReportStep[]): string {
  return `${count(withStatus(steps, 'ok').length)} of ${counted(steps.length, 'step')}`
}

function withStatus(steps: readonly ReportStep[], status: ReportStep['status']): readonly ReportStep[] {
  return steps.filter((step) => step.status === status)
}

function sentences(...parts: readonly (string | false)[]): string {
  return parts.filter((part) => part !== false && part !== '').join(' ')
}
