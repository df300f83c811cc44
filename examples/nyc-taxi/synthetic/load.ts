import { readFileSync } from 'node:fs'
import { rawSql } from 'sluice'

/** A generator's SQL, with its size and seed put in. */
export function synthetic(name: 'trips' | 'zones') {
  const text = readFileSync(new URL(`${name}.sql`, import.meta.url), 'utf8')
  return (rows: number, seed: number) => rawSql(text.replaceAll('$rows', String(rows)).replaceAll('$seed', String(seed)))
}
