import type { Session } from '../engine/index.js'
import { openJournal } from '../journal/index.js'
import { type ChangeSource, loadSeries, metricsOfRules, type Series, seriesInMemory } from '../monitoring/index.js'
import { type Expression, isRecording, type Labels, type RuleGroup } from '../observability/index.js'
import type { Workspace } from './workspace.js'

/** The kept samples of a project, for whatever judges or draws them. */

export interface KeptOptions {
  /** Only what these rules read. */
  readonly groups?: readonly RuleGroup[]
  /** Unix milliseconds: what is asked for begins here; windows may still look further back. */
  readonly from?: number
}

const DAY = 86_400_000

/** Series of datasets that the project no longer has are left out: nothing will ever bring them up to date. */
export async function keptSeries(workspace: Workspace, session: Session, { groups, from = 0 }: KeptOptions = {}): Promise<ChangeSource> {
  return seriesInMemory(await keptSeriesList(workspace, session, { ...(groups === undefined ? {} : { groups }), from }))
}

/** Not of a dataset that the project no longer has: nothing will ever bring that up to date. */
export function isOfProject({ project }: Workspace, metric: string, { dataset }: Labels): boolean {
  return dataset === undefined || !metric.startsWith('sluice_') || project.datasets.some((one) => one.name === dataset)
}

export async function keptSeriesList(workspace: Workspace, session: Session, { groups, from = 0 }: KeptOptions = {}): Promise<Series[]> {
  const journal = await openJournal(workspace.lake, workspace.storage, session)
  const reach = groups === undefined ? 0 : longestWindow(groups)
  const all = await loadSeries(journal, groups === undefined ? undefined : metricsOfRules(groups), Math.max(0, from - reach - DAY))
  return all.filter(({ labels: { __name__: name = '', ...labels } }) => isOfProject(workspace, name, labels))
}

/** How far back rules look, in milliseconds; of a recorded signal that is read over a window, both together. */
function longestWindow(groups: readonly RuleGroup[]): number {
  const rules = groups.flatMap((group) => group.rules)
  const recorded = new Map(rules.filter(isRecording).map((rule) => [rule.definition.name, rule.signal.expression]))
  const reach = (expression: Expression, within: ReadonlySet<string>): number => {
    if (expression.kind === 'select') {
      const inner = within.has(expression.metric) ? undefined : recorded.get(expression.metric)
      return (expression.offset ?? 0) + (inner === undefined ? 0 : reach(inner, new Set([...within, expression.metric])))
    }
    const own = expression.kind === 'range' && typeof expression.window === 'number' ? expression.window : 0
    const inside = 'of' in expression ? reach(expression.of, within) : 0
    const sides = 'left' in expression ? Math.max(reach(expression.left, within), reach(expression.right, within)) : 0
    return own + Math.max(inside, sides)
  }
  return Math.max(0, ...rules.map((rule) => reach(isRecording(rule) ? rule.signal.expression : rule.when.expression, new Set())))
}
