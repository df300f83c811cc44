import { failure, USAGE_WRONG } from '../../../errors/index.js'
import type { DeltaTable } from '../../../table/index.js'
import type { Invocation } from '../../command.js'

/** Throws USAGE_WRONG. */
export function number(invocation: Invocation, name: string): number | undefined {
  const text = invocation.text(name)
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw failure(USAGE_WRONG, { command: 'table', problem: `--${name} takes a whole number; "${text}" is none.` })
  return Number(text)
}

/** The version that `--version` or `--timestamp` asks for. Throws USAGE_WRONG, TABLE_VERSION_NOT_FOUND. */
export async function version(invocation: Invocation, table: DeltaTable): Promise<number | undefined> {
  const [given, time] = [number(invocation, 'version'), invocation.text('timestamp')]
  if (time === undefined) return given
  if (given !== undefined) throw failure(USAGE_WRONG, { command: 'table', problem: 'Give --version or --timestamp, not both.' })
  if (Number.isNaN(Date.parse(time)))
    throw failure(USAGE_WRONG, { command: 'table', problem: `--timestamp takes an ISO 8601 time; "${time}" is none.` })
  return table.versionAt(new Date(time))
}

/** `a,b`. Undefined where the option is not given. */
export function names(invocation: Invocation, option: string): string[] | undefined {
  return invocation
    .text(option)
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
