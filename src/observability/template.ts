import { ALERT_TEMPLATE_UNKNOWN, failure } from '../errors/index.js'
import type { Labels } from './definition.js'

/**
 * An alert's text, filled in as Prometheus 2.42 does it.
 *
 * `renderTemplate('{{ $labels.shop }} refunds {{ $value | humanizePercentage }}', { shop: 'a' }, 0.25)` is `a refunds 25%`.
 *
 * Throws ALERT_TEMPLATE_UNKNOWN for what Go's templates know beside that.
 */
export function renderTemplate(text: string, labels: Labels, value: number): string {
  return text.replaceAll(/\{\{(.*?)\}\}/gs, (_, inside: string) => {
    const action = inside.trim()
    const label = /^\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)$/.exec(action)?.[1]
    if (label !== undefined) return labels[label] ?? ''
    const name = /^\$value(?:\s*\|\s*([a-zA-Z0-9]+))?$/.exec(action)
    const write = name === null ? undefined : writers.get(name[1] ?? '')
    if (write === undefined) throw failure(ALERT_TEMPLATE_UNKNOWN, { action })
    return write(value)
  })
}

const LARGE = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']
const BINARY = ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi']
const SMALL = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y']

/** Prometheus' template functions (prometheus/prometheus: template/template.go) by name; without one, Go's way to print a number. */
const writers: ReadonlyMap<string, (value: number) => string> = new Map([
  ['', shortest],
  ['humanize', humanize],
  ['humanize1024', humanize1024],
  ['humanizeDuration', humanizeDuration],
  ['humanizePercentage', (value) => `${fourDigits(value * 100)}%`],
])

function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return fourDigits(value)
  return Math.abs(value) >= 1 ? scaledDown(value, 1000, LARGE) : scaledUp(value)
}

function humanize1024(value: number): string {
  if (Math.abs(value) <= 1 || !Number.isFinite(value)) return fourDigits(value)
  return scaledDown(value, 1024, BINARY)
}

function humanizeDuration(value: number): string {
  if (!Number.isFinite(value)) return fourDigits(value)
  if (value === 0) return `${fourDigits(value)}s`
  if (Math.abs(value) < 1) return `${scaledUp(value)}s`
  const sign = value < 0 ? '-' : ''
  const length = Math.abs(value)
  // Whole numbers of any length, since dividing doubles rounds from 2^53 on.
  const whole = BigInt(Math.trunc(length))
  const [days, hours, minutes, seconds] = [whole / 86_400n, (whole / 3_600n) % 24n, (whole / 60n) % 60n, whole % 60n]
  if (days !== 0n) return `${sign}${days}d ${hours}h ${minutes}m ${seconds}s`
  if (hours !== 0n) return `${sign}${hours}h ${minutes}m ${seconds}s`
  if (minutes !== 0n) return `${sign}${minutes}m ${seconds}s`
  return `${sign}${fourDigits(length)}s`
}

function scaledDown(value: number, step: number, prefixes: readonly string[]): string {
  let prefix = ''
  let rest = value
  for (const next of prefixes) {
    if (Math.abs(rest) < step) break
    prefix = next
    rest /= step
  }
  return fourDigits(rest) + prefix
}

function scaledUp(value: number): string {
  let prefix = ''
  let rest = value
  for (const next of SMALL) {
    if (Math.abs(rest) >= 1) break
    prefix = next
    rest *= 1000
  }
  return fourDigits(rest) + prefix
}

/** Go's `%v`: as few digits as tell the number from its neighbours. */
function shortest(value: number): string {
  return written(value, value.toExponential(), 6)
}

/** Go's `%.4g`. */
function fourDigits(value: number): string {
  return written(value, roundedToFour(value), 4)
}

/** `toExponential(3)`, but a number that lies exactly between two is rounded to the even one, as Go has it, and not upwards. */
function roundedToFour(value: number): string {
  const between = /^(-?\d\.\d{2}[02468])50*e(.*)$/.exec(value.toExponential(100))
  return between === null ? value.toExponential(3) : `${between[1]}e${between[2]}`
}

/** @param wide the exponent from which on it is written with `e`; so are those under -4 */
function written(value: number, text: string, wide: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const [mantissa = '', power = '0'] = text.replace('-', (minus, at) => (at === 0 ? '' : minus)).split('e')
  const digits = mantissa.replace('.', '').replace(/0+$/, '') || '0'
  const exponent = Number(power)
  if (exponent < -4 || exponent >= wide) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${sign}${digits.charAt(0)}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  const fraction = digits.slice(exponent + 1)
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`
}
