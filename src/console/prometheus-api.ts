import { isSluiceError, messageOf } from '../errors/index.js'
import { type ChangeSource, checkAlerts, evaluate, evaluateRange, type Series, sourceAt } from '../monitoring/index.js'
import { alertLabels, type Expression, isAlert, type Matcher, parsePromql, promql, type RuleGroup } from '../observability/index.js'

/**
 * Prometheus' HTTP API for reading, over what the journal keeps: a Grafana can point here with no Prometheus.
 * https://prometheus.io/docs/prometheus/latest/querying/api/
 */

export interface Kept {
  readonly series: readonly Series[]
  readonly changes: ChangeSource
}

export interface ApiContext {
  readonly groups: readonly RuleGroup[]
  readonly help: readonly { readonly name: string; readonly kind: string; readonly help: string }[]
  /** Milliseconds between two looks of the virtual scrape. */
  readonly scrapeInterval: number
  kept(): Promise<Kept>
  now(): number
}

export interface ApiAnswer {
  readonly status: number
  readonly body: unknown
}

/** Prometheus refuses more points a series than this. */
const MOST_POINTS = 11_000
const LOOKBACK_MS = 300_000

/** @param path what follows `/api/v1/` */
export async function answer(context: ApiContext, path: string, query: URLSearchParams): Promise<ApiAnswer> {
  try {
    const data = await dataOf(context, path, query)
    return data === undefined
      ? refused(404, 'not_found', `There is no /api/v1/${path} here.`)
      : { status: 200, body: { status: 'success', data } }
  } catch (error) {
    if (error instanceof BadRequest) return refused(400, 'bad_data', error.message)
    if (!isSluiceError(error)) return refused(500, 'internal', messageOf(error))
    return error.exit === 2 ? refused(400, 'bad_data', `${error.message} ${error.hint}`) : refused(500, 'execution', error.message)
  }
}

function refused(status: number, errorType: string, error: string): ApiAnswer {
  return { status, body: { status: 'error', errorType, error } }
}

class BadRequest extends Error {}

async function dataOf(context: ApiContext, path: string, query: URLSearchParams): Promise<unknown> {
  const values = /^label\/([a-zA-Z_][a-zA-Z0-9_]*)\/values$/.exec(path)?.[1]
  if (values !== undefined)
    return [...new Set((await seriesOf(context, query)).map((labels) => labels[values] ?? ''))].filter((value) => value !== '').sort()
  switch (path) {
    case 'query':
      return instant(context, query)
    case 'query_range':
      return range(context, query)
    case 'series':
      if (query.getAll('match[]').length === 0) throw new BadRequest('no match[] parameter provided')
      return seriesOf(context, query)
    case 'labels':
      return [...new Set((await seriesOf(context, query)).flatMap((labels) => Object.keys(labels)))].sort()
    case 'rules':
      return { groups: await rules(context, query.get('type')) }
    case 'alerts':
      return {
        alerts: (await rules(context, 'alert')).flatMap((group) => group.rules.flatMap((rule) => ('alerts' in rule ? rule.alerts : []))),
      }
    case 'metadata': {
      const only = query.get('metric')
      const told = context.help.filter(({ name }) => only === null || name === only)
      return Object.fromEntries(told.map(({ name, kind, help }) => [name, [{ type: kind, help, unit: '' }]]))
    }
    case 'status/buildinfo':
      // Grafana asks, to know what it may ask for.
      return { version: '3.0.0', revision: 'sluice', branch: '', buildUser: '', buildDate: '', goVersion: '' }
    default:
      return undefined
  }
}

async function instant(context: ApiContext, query: URLSearchParams) {
  const expression = expressionOf(query.get('query'))
  const time = timeOf(query.get('time'), 'time', context.now())
  const { changes } = await context.kept()
  const result = evaluate(expression, sourceAt(context.groups, changes, time, context), time)
  if (result.kind === 'scalar') return { resultType: 'scalar', result: point(time, result.value) }
  return { resultType: 'vector', result: result.samples.map(({ labels, value }) => ({ metric: labels, value: point(time, value) })) }
}

async function range(context: ApiContext, query: URLSearchParams) {
  const expression = expressionOf(query.get('query'))
  const [start, end] = [timeOf(query.get('start'), 'start'), timeOf(query.get('end'), 'end')]
  const step = durationOf(query.get('step'))
  if (end < start) throw new BadRequest('end timestamp must not be before start time')
  if (!(step > 0)) throw new BadRequest('zero or negative query resolution step widths are not accepted')
  if ((end - start) / step > MOST_POINTS)
    throw new BadRequest(
      `exceeded maximum resolution of ${MOST_POINTS} points per timeseries. Try decreasing the query resolution (?step=XX)`,
    )
  const { changes } = await context.kept()
  const found = evaluateRange(expression, sourceAt(context.groups, changes, end, context), { start, end, step })
  return {
    resultType: 'matrix',
    result: found.map(({ labels, points }) => ({ metric: labels, values: points.map(([at, value]) => point(at, value)) })),
  }
}

/** Labels of the series that match, and had a value between `start` and `end`; recorded signals among them. */
async function seriesOf(context: ApiContext, query: URLSearchParams): Promise<Readonly<Record<string, string>>[]> {
  const end = timeOf(query.get('end'), 'end', context.now())
  const start = timeOf(query.get('start'), 'start', 0)
  const selectors = query.getAll('match[]').map((text) => expressionOf(text))
  const { changes, series } = await context.kept()
  if (selectors.length === 0) return series.filter(({ times }) => (times[0] ?? Number.POSITIVE_INFINITY) <= end).map(({ labels }) => labels)
  const source = sourceAt(context.groups, changes, end, context)
  // What is kept holds for ever, so a look at the end sees everything that there was before it.
  const from = Math.max(start, end - LOOKBACK_MS)
  const found = new Map<string, Readonly<Record<string, string>>>()
  for (const selector of selectors) {
    if (selector.kind !== 'select') throw new BadRequest('match[] takes a selector of series')
    for (const { labels } of source.select(selector.metric, selector.matchers as readonly Matcher[], from, end))
      found.set(JSON.stringify(labels), labels)
  }
  return [...found.values()]
}

async function rules(context: ApiContext, type: string | null) {
  const { changes } = await context.kept()
  const now = context.now()
  const { firing, pending } = checkAlerts(context.groups, changes, { now, pending: true })
  return context.groups.map((group) => ({
    name: group.name,
    file: 'sluice',
    interval: group.every / 1000,
    limit: 0,
    lastEvaluation: new Date(now).toISOString(),
    evaluationTime: 0,
    rules: group.rules
      .filter((rule) => type === null || (type === 'alert') === isAlert(rule))
      .map((rule) => {
        const base = { health: 'ok', lastEvaluation: new Date(now).toISOString(), evaluationTime: 0 }
        if (!isAlert(rule)) return { ...base, type: 'recording', name: rule.definition.name, query: promql(rule.signal.expression) }
        const active = [...firing.map((one) => ({ one, state: 'firing' })), ...pending.map((one) => ({ one, state: 'pending' }))].filter(
          ({ one }) => one.alert === rule.name,
        )
        return {
          ...base,
          type: 'alerting',
          name: rule.name,
          query: promql(rule.when.expression),
          duration: rule.for / 1000,
          keepFiringFor: rule.keepFiring / 1000,
          labels: alertLabels(rule, {}),
          annotations: { summary: rule.summary, description: rule.description },
          state: active[0]?.state ?? 'inactive',
          alerts: active.map(({ one, state }) => ({
            labels: one.labels,
            annotations: { summary: one.summary, description: one.description },
            state,
            activeAt: new Date(one.since).toISOString(),
            value: String(one.value),
          })),
        }
      }),
  }))
}

function expressionOf(text: string | null): Expression {
  if (text === null || text.trim() === '') throw new BadRequest('invalid parameter "query": no expression given')
  return parsePromql(text)
}

function point(timeMs: number, value: number): [number, string] {
  const text = value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
  return [timeMs / 1000, text]
}

/** Unix seconds, or RFC 3339. */
function timeOf(text: string | null, name: string, otherwise?: number): number {
  if (text === null || text === '') {
    if (otherwise !== undefined) return otherwise
    throw new BadRequest(`invalid parameter "${name}": it is missing`)
  }
  const time = /^-?[\d.]+(e[+-]?\d+)?$/i.test(text) ? Number(text) * 1000 : Date.parse(text)
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15)
    throw new BadRequest(`invalid parameter "${name}": cannot parse "${text}" to a valid timestamp`)
  return Math.round(time)
}

/** Seconds, or a length of time such as `1m30s`; in milliseconds. */
function durationOf(text: string | null): number {
  if (text === null || text === '') throw new BadRequest('invalid parameter "step": it is missing')
  if (/^[\d.]+$/.test(text)) return Number(text) * 1000
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const
  const parts = [...text.matchAll(/(\d+)(ms|[smhdwy])/g)]
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text)
    throw new BadRequest(`invalid parameter "step": cannot parse "${text}" to a valid duration`)
  return parts.reduce((sum, part) => sum + Number(part[1]) * units[part[2] as keyof typeof units], 0)
}
