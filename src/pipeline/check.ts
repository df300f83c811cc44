import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { globSync } from 'tinyglobby'
import { isSql, quoteName, renderSql, type Session, sqlInputs, sqlType } from '../engine/index.js'
import {
  ALERT_INVALID,
  DATASET_COLUMN_UNKNOWN,
  DATASET_INVALID,
  didYouMean,
  failure,
  isSluiceError,
  MONITOR_DATASET_UNKNOWN,
  MONITOR_DUPLICATE,
  messageOf,
  NOTIFICATIONS_SEVERAL,
  type Place,
  type SluiceError,
  UNEXPECTED,
} from '../errors/index.js'
import { isAlert, isRecording } from '../observability/index.js'
import type { Expectation } from '../quality/index.js'
import { type Field, givenValue, type Relation, type Variable, type VariableValues } from '../schema/index.js'
import { PROVENANCE_FIELDS } from '../sources/index.js'
import { placeSqlError } from './check-sql.js'
import { type Dataset, declaredFields, tableFields } from './dataset.js'
import { defaultAlerts, RUN_ALERTS } from './default-alerts.js'
import { FRAMEWORK_METRICS, monitorsOf } from './monitors.js'
import { type Project, ProjectProblems, placeIn } from './project.js'
import { stagedQuery } from './query-step.js'
import { sourceOf } from './source-step.js'
import { sqlContext, type Workspace } from './workspace.js'

/** Everything that can be known to be wrong without a row: each query and expectation is bound against the declared columns. */
export async function check(workspace: Workspace): Promise<SluiceError[]> {
  const session = await workspace.connect()
  try {
    const problems: SluiceError[] = []
    for (const dataset of workspace.project.datasets) problems.push(...(await checkDataset(workspace, session, dataset)))
    return [...problems, ...checkMonitors(workspace.project)]
  } finally {
    await session.close()
  }
}

/** The problems of a project that could not even be loaded. */
export function problemsOf(error: unknown): readonly SluiceError[] {
  if (error instanceof ProjectProblems) return error.problems
  return [isSluiceError(error) ? error : failure(UNEXPECTED, { problem: messageOf(error) }, { cause: error })]
}

async function checkDataset(workspace: Workspace, session: Session, dataset: Dataset): Promise<SluiceError[]> {
  const problems: SluiceError[] = []
  const values = withStandIns(dataset, workspace.values)
  const standing = { ...workspace, values }
  let fields: Field[] = sourceOf(dataset) === undefined ? declaredFields(dataset) : tableFields(dataset)
  if (isSql(dataset.from)) {
    const inputs = sqlInputs(dataset.from)
    for (const relation of inputs.relations) await session.define(relation.name, nothingOf(relation, workspace))
    for (const relation of inputs.changed) await session.define(`${relation.name} (changed)`, nothingOf(relation, workspace))
    try {
      fields = (await stagedQuery({ workspace: standing, session, dataset })).fields
    } catch (error) {
      problems.push(asProblem(error, dataset, workspace))
    }
  }
  await session.define('_staged', `SELECT ${fields.map(nothing).join(', ')} WHERE false`)
  for (const one of dataset.expect) problems.push(...(await checkExpectation(standing, session, dataset, one, fields)))
  const repeated = dataset.expect.filter((one, index) => dataset.expect.findIndex((other) => other.name === one.name) < index)
  for (const one of repeated) {
    const about = {
      name: dataset.name,
      problem: `two expectations are called "${one.name}"`,
      advice: "Give one another name with `.named('...')`.",
    }
    problems.push(failure(DATASET_INVALID, about, { place: placeIn(dataset.place, workspace.project.folder) }))
  }
  return problems
}

/** What `monitors/` say that cannot hold together. */
function checkMonitors(project: Project): SluiceError[] {
  const { metrics, dashboards, notifications, tunings } = project.monitors
  const { groups } = monitorsOf(project)
  const rules = groups.flatMap((group) => group.rules)
  const place = (name: string): { readonly place: Place } => ({ place: placeOfMonitor(name, project.folder) })
  const repeated = (kind: string, names: readonly string[], advice = 'Give one of them another name.'): SluiceError[] =>
    [...new Set(names.filter((name, index) => names.indexOf(name) < index))].map((name) =>
      failure(MONITOR_DUPLICATE, { kind, name, advice }, place(name)),
    )

  const defaults = defaultAlerts([]).map(({ name }) => name)
  // One that is tuned for some datasets is several rules of one name.
  const standing = [...new Set(defaultAlerts(tunings).map(({ name }) => name))]
  const own = groups.filter(({ name }) => name !== 'sluice').flatMap((group) => group.rules.filter(isAlert).map(({ name }) => name))
  const datasets = project.datasets.map(({ name }) => name)
  return [
    ...repeated(
      'metric',
      [...FRAMEWORK_METRICS, ...metrics].map(({ definition }) => definition.name),
      'Give yours another name; those that begin with sluice_ are the framework’s own.',
    ),
    ...repeated(
      'alert',
      [...standing, ...own],
      'Give yours another name. One of the default alerts is changed by `tune`, or put out of the way by `silence`.',
    ),
    ...repeated(
      'recorded signal',
      rules.filter(isRecording).map(({ definition }) => definition.name),
    ),
    ...repeated(
      'group of rules',
      groups.map(({ name }) => name),
      'Give yours another name; `sluice`, `sluice-recordings` and `alerts` are taken.',
    ),
    ...repeated(
      'dashboard',
      dashboards.map(({ name }) => name),
    ),
    ...(notifications.length > 1 ? [failure(NOTIFICATIONS_SEVERAL, { count: notifications.length }, { place: { file: 'monitors' } })] : []),
    ...tunings
      .filter(({ alert }) => !defaults.includes(alert))
      .map(({ alert }) => {
        const about = { name: alert, problem: 'no default alert is called that', advice: didYouMean(alert, defaults) }
        return failure(ALERT_INVALID, about, place(alert))
      }),
    ...tunings
      .filter((one) => RUN_ALERTS.includes(one.alert) && one.datasets.length > 0)
      .map((one) =>
        failure(
          ALERT_INVALID,
          { name: one.alert, problem: 'it is about a run as a whole, and datasets are named for it', advice: 'Leave the datasets out.' },
          place(one.alert),
        ),
      ),
    ...tunings.flatMap(({ alert, datasets: named }) =>
      named
        .filter((dataset) => !datasets.includes(dataset))
        .map((dataset) => failure(MONITOR_DATASET_UNKNOWN, { alert, dataset, known: datasets }, place(dataset))),
    ),
  ]
}

/** Where a file under `monitors/` last says the name as a text. Definitions of monitors do not know where they stand. */
function placeOfMonitor(name: string, folder: string): Place {
  const quoted = [`'${name}'`, `"${name}"`, `\`${name}\``]
  const found = globSync('monitors/**/*.{ts,mts,js,mjs}', { cwd: folder, ignore: ['**/*.test.*', '**/*.d.ts'] })
    .sort()
    .flatMap((file): Place[] =>
      readFileSync(join(folder, file), 'utf8')
        .split('\n')
        .flatMap((text, line) => {
          const column = Math.max(...quoted.map((one) => text.indexOf(one)))
          return column < 0 ? [] : [{ file, line: line + 1, column: column + 1 }]
        }),
    )
  return found.at(-1) ?? { file: 'monitors' }
}

async function checkExpectation(
  workspace: Workspace,
  session: Session,
  dataset: Dataset,
  one: Expectation,
  fields: readonly Field[],
): Promise<SluiceError[]> {
  const place = placeIn(dataset.place, workspace.project.folder)
  const known = fields.map((field) => field.name)
  const unknown = [...one.columns].filter((column) => !known.includes(column))
  if (unknown.length > 0) {
    return unknown.map((column) =>
      failure(DATASET_COLUMN_UNKNOWN, { dataset: dataset.name, column, where: `the expectation ${one.name}`, known }, { place }),
    )
  }
  const template = one.rule.scope === 'row' ? one.rule.passes : one.rule.scope === 'table' ? one.rule.measure : undefined
  if (template === undefined) return []
  const start = 'SELECT '
  try {
    const rendered = renderSql(template, sqlContext(workspace.values))
    await session.describe(`${start}${rendered.text} FROM "_staged" AS s`).catch((error: unknown) => {
      throw placeSqlError(error, rendered, { name: `${dataset.name}, expectation ${one.name}` }, workspace.project.folder, start.length)
    })
    return []
  } catch (error) {
    return [asProblem(error, dataset, workspace)]
  }
}

function asProblem(error: unknown, dataset: Dataset, workspace: Workspace): SluiceError {
  if (!isSluiceError(error)) return failure(UNEXPECTED, { problem: messageOf(error) }, { cause: error })
  return Object.assign(error, { place: placeIn(error.place.file === undefined ? dataset.place : error.place, workspace.project.folder) })
}

function nothing(field: Field): string {
  return `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`
}

function nothingOf(relation: Relation, workspace: Workspace): string {
  const dataset = workspace.project.datasets.find((one) => one.name === relation.name)
  const fields = dataset === undefined ? [...PROVENANCE_FIELDS] : tableFields(dataset)
  return `SELECT ${fields.map(nothing).join(', ')} WHERE false`
}

/** A variable without a value must not keep its query from being checked: any value of its type will do. */
function withStandIns(dataset: Dataset, values: VariableValues): VariableValues {
  const templates = [
    ...(isSql(dataset.from) ? [dataset.from] : []),
    ...dataset.expect.flatMap(({ rule }) => (rule.scope === 'row' ? [rule.passes] : rule.scope === 'table' ? [rule.measure] : [])),
  ]
  const missing = templates.flatMap((template) => sqlInputs(template).variables).filter((one) => givenValue(one, values) === undefined)
  return { ...values, ...Object.fromEntries(missing.map((one) => [one.name, standIn(one)])) }
}

function standIn(variable: Variable): string | number | boolean {
  switch (variable.kind) {
    case 'integer':
    case 'number':
      return 1
    case 'boolean':
      return true
    case 'date':
      return '2000-01-01'
    default:
      return ''
  }
}
