const unknown = '–'
const wholeNumber = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `1234567` -> `1,234,567` */
export function count(value: number): string {
  return Number.isFinite(value) ? wholeNumber.format(value) : unknown
}

/** `1, 'row'` -> `1 row`; `2400, 'row'` -> `2,400 rows` */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : plural}`
}

/** `850 ms`, `12.4 s`, `3 min 5 s`, `2 h 4 min` */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return unknown
  if (Math.round(milliseconds) < 1000) return `${Math.round(milliseconds)} ms`
  const tenths = Math.round(milliseconds / 100)
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`
}

/** `512 B`, `31.2 MiB` */
export function bytes(value: number): string {
  if (!Number.isFinite(value) || value < 0) return unknown
  if (value < 1024) return `${Math.round(value)} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let scaled = value / 1024
  let unit = 0
  while (Number(scaled.toFixed(1)) >= 1024 && unit < units.length - 1) {
    scaled /= 1024
    unit += 1
  }
  return `${scaled.toFixed(1)} ${units[unit]}`
}

/** `688, 240000` -> `0.29%`. A part that is there never reads as none, nor a part that is missing as all. */
export function share(part: number, whole: number): string {
  if (!(whole > 0) || !Number.isFinite(part)) return unknown
  const percent = (part / whole) * 100
  if (percent > 0 && percent < 0.01) return '<0.01%'
  if (percent < 100 && percent > 99.99) return '>99.99%'
  return `${Number(percent.toFixed(percent < 10 ? 2 : 1))}%`
}

/** `2026-01-14T06:00:12.345Z` -> `2026-01-14 06:00:12 UTC`; text that is no instant stays as it is. */
export function instant(iso: string): string {
  const parsed = Date.parse(iso)
  return Number.isNaN(parsed) ? iso : `${new Date(parsed).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Thousands separators for text that is a number, at most four decimals; other text stays as it is. */
export function measure(text: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (parts === null) return text
  const [, sign = '', whole = '', decimals = ''] = parts
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  const kept = decimals.slice(0, 4)
  return kept === '' ? `${sign}${grouped}` : `${sign}${grouped}.${kept}`
}

/** The beginning of a text, and how much there is of it when it is cut. */
export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${counted(text.length, 'character')})`
}

/** Both ends of a name, so that `gold.a_very_long_name_by_day` keeps its layer and its grain. */
export function middleCut(text: string, length: number): string {
  if (text.length <= length) return text
  const head = Math.ceil((length - 1) / 2)
  return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`
}

/** `['a', 'b', 'c']` -> `a, b and c` */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

export function total<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((sum, item) => sum + amount(item), 0)
}
