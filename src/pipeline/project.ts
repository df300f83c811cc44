import { existsSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createJiti } from 'jiti'
import { glob } from 'tinyglobby'
import { type Anomalies, isAnomalies } from '../anomaly/index.js'
import { isSql, sqlInputs } from '../engine/index.js'
import {
  DATASET_CYCLE,
  DATASET_DUPLICATE,
  DATASET_INVALID,
  DATASET_UNDEFINED,
  failure,
  isSluiceError,
  messageOf,
  type Place,
  PROJECT_CONFIG_MISSING,
  PROJECT_ENVIRONMENT_UNKNOWN,
  PROJECT_FILE_INVALID,
  PROJECT_NO_DATASETS,
  PROJECT_NOT_FOUND,
  type SluiceError,
  SQL_VALUE_UNDEFINED,
  SYNC_CYCLE,
  SYNC_DUPLICATE,
} from '../errors/index.js'
import { findCycle, topological } from '../lineage/index.js'
import { isVariable, parseVariables, type Variable, type VariableValues } from '../schema/index.js'
import { isSync, type Sync } from '../sync/index.js'
import { type EnvironmentSettings, isProjectConfig, type ProjectConfig } from './config.js'
import { type Dataset, isDataset, lineageNode, readsOf, variablesOf } from './dataset.js'
import { collectMonitors, type Definitions } from './monitors.js'

/** A project as its files define it. */
export interface Project {
  readonly folder: string
  readonly config: ProjectConfig
  /** In an order in which each comes after all it reads. */
  readonly datasets: readonly Dataset[]
  readonly variables: Readonly<Record<string, Variable>>
  /** Those that its `syncs/` define, in an order in which each comes after those that fill what it reads. */
  readonly syncs: readonly Sync[]
  /** Those that its `anomalies/` define. */
  readonly anomalies: readonly Anomalies[]
  /** What its `monitors/` define. */
  readonly monitors: Definitions
}

const CONFIG = 'sluice.config.ts'

/** The nearest folder with a sluice.config.ts, from `start` upwards. Throws PROJECT_NOT_FOUND. */
export function findProject(start: string): string {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    if (existsSync(join(folder, CONFIG))) return folder
    if (dirname(folder) === folder) throw failure(PROJECT_NOT_FOUND, { folder: resolve(start) })
  }
}

/** Several problems found at once; each is a SluiceError. */
export class ProjectProblems extends Error {
  readonly problems: readonly SluiceError[]
  constructor(problems: readonly SluiceError[]) {
    super(problems.map((problem) => problem.message).join('\n'))
    this.problems = problems
  }
}

/**
 * Loads a project's files. TypeScript needs no build step.
 * Throws ProjectProblems (PROJECT_FILE_INVALID, DATASET_DUPLICATE, DATASET_UNDEFINED, DATASET_CYCLE, ...), with every problem found.
 */
export async function loadProject(folder: string): Promise<Project> {
  const load = loader()
  const problems: SluiceError[] = []
  const tried = async (file: string): Promise<Readonly<Record<string, unknown>>> => {
    try {
      return await load(file)
    } catch (thrown) {
      problems.push(isSluiceError(thrown) ? placed(thrown, file, folder) : invalidFile(thrown, file, folder))
      return {}
    }
  }
  const configFile = join(folder, CONFIG)
  const config = (await tried(configFile))['default']
  if (!isProjectConfig(config)) {
    throw new ProjectProblems(
      problems.length > 0 ? problems : [failure(PROJECT_CONFIG_MISSING, { file: CONFIG }, { place: { file: CONFIG } })],
    )
  }
  const variables: Record<string, Variable> = {}
  const variablesFile = join(folder, 'variables.ts')
  if (existsSync(variablesFile)) collectVariables(await tried(variablesFile), variables)

  const found = new Map<string, { dataset: Dataset; file: string }>()
  const files = await modulesIn('datasets', folder)
  for (const file of files) {
    const exported = new Set(Object.values(await tried(file)).filter(isDataset))
    for (const one of exported) {
      const earlier = found.get(one.name)
      if (earlier?.dataset === one) continue
      if (earlier === undefined) found.set(one.name, { dataset: one, file })
      else {
        const about = { name: one.name, first: relative(folder, earlier.file), second: relative(folder, file) }
        problems.push(failure(DATASET_DUPLICATE, about, { place: placeIn(one.place, folder) }))
      }
    }
  }
  if (problems.some((problem) => problem.code === SQL_VALUE_UNDEFINED.code || problem.message.includes('before initialization'))) {
    const circle = findCycle(
      files.map((file) => ({ name: relative(folder, file), reads: importsOf(file).map((path) => relative(folder, path)) })),
    )
    if (circle !== undefined)
      throw new ProjectProblems([failure(DATASET_CYCLE, { path: circle }, { place: { file: circle[0] ?? '', line: 1, column: 1 } })])
  }
  const monitors = collectMonitors(await exportedBy('monitors', folder, tried))
  const anomalies = [...new Set((await exportedBy('anomalies', folder, tried)).filter(isAnomalies))]
  const syncs = inOrder([...new Set((await exportedBy('syncs', folder, tried)).filter(isSync))], folder, problems)
  const datasets = [...found.values()].map((one) => one.dataset)
  if (datasets.length === 0 && problems.length === 0) problems.push(failure(PROJECT_NO_DATASETS, { folder: join(folder, 'datasets') }))
  problems.push(...graphProblems(datasets, folder))
  if (problems.length > 0) throw new ProjectProblems(problems)
  for (const one of datasets) for (const variable of variablesOf(one)) variables[variable.name] ??= variable
  const order = topological(datasets.map((one) => lineageNode(one)))
  const ordered = order.map((name) => found.get(name)?.dataset).filter((one) => one !== undefined)
  return { folder, config, datasets: ordered, syncs, anomalies, variables, monitors }
}

async function modulesIn(name: string, folder: string): Promise<string[]> {
  return (await glob(`${name}/**/*.{ts,mts,js,mjs}`, { cwd: folder, absolute: true, ignore: ['**/*.test.*', '**/*.d.ts'] })).sort()
}

async function exportedBy(
  name: string,
  folder: string,
  load: (file: string) => Promise<Readonly<Record<string, unknown>>>,
): Promise<unknown[]> {
  const exported: unknown[] = []
  for (const file of await modulesIn(name, folder)) exported.push(...Object.values(await load(file)))
  return exported
}

/** A sync comes after those that fill the table it reads. */
function inOrder(syncs: readonly Sync[], folder: string, problems: SluiceError[]): Sync[] {
  const byName = new Map<string, Sync>()
  for (const one of syncs) {
    if (byName.has(one.name)) problems.push(failure(SYNC_DUPLICATE, { name: one.name }, { place: placeIn(one.place, folder) }))
    byName.set(one.name, one)
  }
  const fills = (other: Sync, one: Sync) => 'store' in one.from && other.to.store === one.from.store && other.to.name === one.from.name
  const nodes = [...byName.values()].map((one) => ({
    name: one.name,
    reads: [...byName.values()].filter((other) => fills(other, one)).map((other) => other.name),
  }))
  const cycle = findCycle(nodes)
  if (cycle !== undefined) {
    const place = placeIn(byName.get(cycle[0] ?? '')?.place ?? {}, folder)
    problems.push(failure(SYNC_CYCLE, { path: cycle.join(' -> ') }, { place }))
    return [...byName.values()]
  }
  return topological(nodes).flatMap((name) => byName.get(name) ?? [])
}

/** The files that a definition imports by a relative path. */
function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/from\s+['"](\.[^'"]+)['"]/g)].map((match) =>
    resolve(dirname(file), (match[1] ?? '').replace(/\.js$/, '.ts')),
  )
}

function collectVariables(exported: Readonly<Record<string, unknown>>, into: Record<string, Variable>): void {
  for (const value of Object.values(exported)) {
    if (isVariable(value)) into[value.name] = value
    else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) if (isVariable(one)) into[one.name] = one
  }
}

function graphProblems(datasets: readonly Dataset[], folder: string): SluiceError[] {
  const names = new Set(datasets.map((one) => one.name))
  const problems = datasets.flatMap((one) => {
    const place = placeIn(one.place, folder)
    const missing = readsOf(one)
      .filter((read) => !names.has(read))
      .map((read) => failure(DATASET_UNDEFINED, { name: read, dataset: one.name }, { place }))
    const changedReads = isSql(one.from) ? sqlInputs(one.from).changed.length : 0
    const several =
      changedReads > 1
        ? [
            failure(
              DATASET_INVALID,
              {
                name: one.name,
                problem: 'its query reads changed() of more than one dataset',
                advice: 'Read one of them with changed(), the others whole.',
              },
              { place },
            ),
          ]
        : []
    return [...missing, ...several]
  })
  const cycle = findCycle(datasets.map((one) => lineageNode(one)))
  if (cycle !== undefined) {
    const place = datasets.find((one) => one.name === cycle[0])?.place ?? {}
    problems.push(failure(DATASET_CYCLE, { path: cycle }, { place: placeIn(place, folder) }))
  }
  return problems
}

function loader(): (file: string) => Promise<Readonly<Record<string, unknown>>> {
  // `import 'sluice'` in a project is this very package, loaded once and never transpiled.
  const own = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
  const alias = {
    'sluice/metrics': own('metrics.js'),
    'sluice/observability': own('observability/index.js'),
    'sluice/stores': own('stores/kit.js'),
    'sluice/stores/duckdb': own('stores/duckdb.js'),
    'sluice/stores/memory': own('stores/memory.js'),
    'sluice/stores/mongodb': own('stores/mongodb.js'),
    'sluice/stores/mysql': own('stores/mysql.js'),
    'sluice/stores/postgres': own('stores/postgres.js'),
    'sluice/table': own('table/index.js'),
    'sluice/anomaly': own('anomaly/index.js'),
    'sluice/testing': own('testing/index.js'),
    sluice: own('index.js'),
  }
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const jiti = createJiti(import.meta.url, { moduleCache: true, alias, nativeModules: [root], interopDefault: false })
  return (file) => jiti.import(file)
}

function invalidFile(thrown: unknown, file: string, folder: string): SluiceError {
  const text = messageOf(thrown)
  const place = thrownAt(thrown, file, folder)
  const problem = (text.split('\n')[0] ?? text).replace(/^[A-Za-z]*Error: /, '').replaceAll(`${folder}/`, '')
  return failure(PROJECT_FILE_INVALID, { file: relative(folder, file), problem }, { place, cause: thrown })
}

/** Where in the project it was thrown, by its stack; at least the file that was being loaded. */
function thrownAt(thrown: unknown, file: string, folder: string): Place {
  const said = `${messageOf(thrown)}\n${thrown instanceof Error ? (thrown.stack ?? '') : ''}`
  const places = [...said.matchAll(/([^\s()'"]+\.[mc]?[tj]s):(\d+):(\d+)/g)]
  const inside = places.find((match) => match[1]?.replace('file://', '').startsWith(folder) && !match[1].includes('node_modules')) ?? null
  return {
    file: relative(folder, inside?.[1]?.replace('file://', '') ?? file),
    ...(inside === null ? {} : { line: Number(inside[2]), column: Number(inside[3]) }),
  }
}

function placed(error: SluiceError, file: string, folder: string): SluiceError {
  const place = error.place.file === undefined ? thrownAt(error, file, folder) : placeIn(error.place, folder)
  return Object.assign(error, { place })
}

export function placeIn(place: Place, folder: string): Place {
  return place.file === undefined || !isAbsolute(place.file) ? place : { ...place, file: relative(folder, place.file) }
}

/** Values of variables: the command line's, over the environment's, over the defaults in the definitions. Throws VARIABLE_*, PROJECT_ENVIRONMENT_UNKNOWN. */
export function settingsOf(
  project: Project,
  environment: string | undefined,
  given: Readonly<Record<string, string>>,
): { readonly values: VariableValues; readonly settings: EnvironmentSettings & Pick<ProjectConfig, 'lake'> } {
  const environments = project.config.environments ?? {}
  const override = environment === undefined ? {} : environments[environment]
  if (override === undefined)
    throw failure(PROJECT_ENVIRONMENT_UNKNOWN, { environment: environment ?? '', known: Object.keys(environments) })
  const configured = { ...project.config.variables, ...override.variables }
  const texts = Object.fromEntries(Object.entries(configured).map(([name, value]) => [name, String(value)]))
  const values = { ...parseVariables(project.variables, texts), ...parseVariables(project.variables, given) }
  return {
    values,
    settings: {
      ...project.config,
      ...override,
      lake: override.lake ?? project.config.lake,
      engine: { ...project.config.engine, ...override.engine },
    },
  }
}
