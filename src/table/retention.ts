/** Milliseconds of an interval as table properties give them: `interval 30 days`, `interval 1 week`. Undefined when it is none. */
export function milliseconds(interval: string | undefined): number | undefined {
  const parts = [...(interval ?? '').matchAll(/(\d+)\s*(millisecond|second|minute|hour|day|week)s?/gi)]
  if (parts.length === 0) return undefined
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit?.toLowerCase() ?? ''] ?? 0), 0)
}

const UNITS: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
}
