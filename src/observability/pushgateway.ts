import type { Labels } from './definition.js'
import { deliver } from './delivery.js'
import { CONTENT_TYPES } from './exposition.js'

export interface PushGroup {
  readonly job: string
  /** Labels that, with the job, say whose metrics these are: a push replaces all of the same group, and no other's. */
  readonly grouping?: Labels
}

/**
 * Replaces, on the Pushgateway at `url`, everything its group had; `text` is an exposition in the format `text`.
 *
 * `await pushMetrics('http://localhost:9091', { job: 'nightly', grouping: { pipeline: 'trips' } }, text)` is
 * `PUT /metrics/job/nightly/pipeline/trips`.
 *
 * Push totals, not what this process alone has counted: a Pushgateway adds nothing up, and a counter that is 1 after every run never grows.
 *
 * Throws PUSH_FAILED when it may be taken later, PUSH_REFUSED when it never will be.
 */
export async function pushMetrics(url: string, { job, grouping = {} }: PushGroup, text: string, signal?: AbortSignal): Promise<void> {
  const path = [['job', job] as const, ...Object.entries(grouping)].map(([label, value]) => segmentOf(label, value)).join('/')
  const base = url.endsWith('/') ? url.slice(0, -1) : url
  await deliver({ method: 'PUT', url: `${base}/metrics/${path}`, headers: { 'content-type': CONTENT_TYPES.text }, body: text, signal })
}

/** In Base64 what a path cannot say: a `/`, which servers undo even when it is escaped, `.` and `..`, and nothing at all. */
function segmentOf(label: string, value: string): string {
  if (value === '') return `${label}@base64/=`
  if (value.includes('/') || value === '.' || value === '..') return `${label}@base64/${Buffer.from(value).toString('base64url')}`
  return `${label}/${encodeURIComponent(value)}`
}
