import type { Session } from '../engine/index.js'
import { openJournal } from '../journal/index.js'
import { type Dataset, readsOf } from './dataset.js'
import { decide } from './decide.js'
import { queryText, readState } from './note.js'
import { refusedFiles } from './records.js'
import { wouldPass } from './replay.js'
import { selectDatasets } from './select.js'
import { offerOf, requireItems, requireOneKind, requireSameTypes, sortItems, sourceOf } from './source-step.js'
import type { Workspace } from './workspace.js'

export interface PlannedStep {
  readonly dataset: string
  readonly layer: string
  readonly action: 'run' | 'skip'
  readonly mode: 'full' | 'incremental'
  readonly reasons: readonly string[]
  /** The query as it runs, or where the rows come from. */
  readonly sql: string
  /** Files that a run would refuse: they were refused before, or have changed since they were taken. */
  readonly refused: readonly string[]
}

export interface PlanOptions {
  readonly select?: readonly string[]
  readonly fullRefresh?: boolean
}

/** What a run would do now, and why. Reads only. */
export async function plan(workspace: Workspace, { select = [], fullRefresh = false }: PlanOptions = {}): Promise<PlannedStep[]> {
  const session = await workspace.connect()
  try {
    const steps: PlannedStep[] = []
    for (const dataset of selectDatasets(workspace.project.datasets, select)) {
      const step =
        sourceOf(dataset) === undefined
          ? await planQuery(workspace, session, dataset, fullRefresh)
          : await planSource(workspace, session, dataset, fullRefresh)
      const running = readsOf(dataset).filter((read) => steps.some((one) => one.dataset === read && one.action === 'run'))
      if (running.length === 0 || step.action === 'run') steps.push(step)
      else
        steps.push({ ...step, action: 'run', reasons: [...running.map((read) => `upstream-changed: ${read} would run`), ...step.reasons] })
    }
    return steps
  } finally {
    await session.close()
  }
}

async function planQuery(workspace: Workspace, session: Session, dataset: Dataset, fullRefresh: boolean): Promise<PlannedStep> {
  const { action, mode, reasons, state } = await decide(workspace, session, dataset, fullRefresh)
  const changed = reasons.some((reason) => reason.startsWith('expectations-changed'))
  const passing = changed ? await wouldPass(workspace, session, dataset, state) : undefined
  const said =
    passing === undefined
      ? reasons
      : reasons.map((reason) => `${reason}; ${passing} held rows would now pass (sluice quarantine replay ${dataset.name})`)
  return {
    dataset: dataset.name,
    layer: dataset.layer,
    action,
    mode,
    reasons: said,
    sql: queryText(dataset, workspace.values),
    refused: [],
  }
}

async function planSource(workspace: Workspace, session: Session, dataset: Dataset, fullRefresh: boolean): Promise<PlannedStep> {
  const state = await readState(workspace.table(dataset, session), true)
  const refused = await refusedFiles(await openJournal(workspace.lake, workspace.storage, session), dataset.name)
  const offer = await offerOf({ workspace, dataset, report: () => {} }, state, fullRefresh)
  if (!fullRefresh) requireOneKind(dataset, offer, state)
  if (!fullRefresh) requireSameTypes(dataset, state)
  requireItems(offer, state)
  const sorting = await sortItems(offer, state, refused, fullRefresh)
  const step = {
    dataset: dataset.name,
    layer: dataset.layer,
    mode: fullRefresh ? ('full' as const) : ('incremental' as const),
    sql: offer.label,
  }
  const fresh = sorting.fresh.length + sorting.replaced.length
  const reasons = [
    ...(fullRefresh ? ['full-refresh: asked for'] : []),
    ...(fresh > 0 ? [`new-files: ${fresh} of ${offer.items.length}${offer.kind === 'synthetic' ? ' (synthetic)' : ''}`] : []),
    ...(state.snapshot === undefined ? [`never-ran: ${dataset.name} has no table yet`] : []),
  ]
  return { ...step, action: fresh > 0 || fullRefresh ? 'run' : 'skip', reasons, refused: sorting.refused.map((one) => one.item.path) }
}
