import { DURATION_INVALID, failure } from '../errors/index.js'

/** `90s`, `5m`, `1h`, `7d`: as Prometheus writes them, one number and one unit. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'w'}`

const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/** A hundred years: a moment that far from now is still one. */
const LONGEST = 36_525 * MS.d

/** Milliseconds. Throws DURATION_INVALID for a text that the type let through (`-1h`, `1e3s`, or from the command line). */
export function milliseconds(duration: Duration | (string & {})): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(duration)
  const ms = match === null ? Number.NaN : Math.round(Number(match[1]) * MS[match[2] as keyof typeof MS])
  if (!(ms <= LONGEST)) throw failure(DURATION_INVALID, { text: duration })
  return ms
}

/** `5m`, `1h30m`, `2d`; `0s` for nothing. What Prometheus reads back as the same time. */
export function durationText(ms: number): string {
  if (ms === 0) return '0s'
  let rest = Math.round(ms)
  let text = ''
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / MS[unit])
    if (count > 0) text += `${count}${unit}`
    rest -= count * MS[unit]
  }
  return text
}
