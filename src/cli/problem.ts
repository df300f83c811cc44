import type { SluiceError } from '../errors/index.js'

/** `datasets/silver/trips.ts:12:5`, then the code, what happened, and what to do. */
export function problemText(
  problem: Pick<SluiceError, 'code' | 'message' | 'hint' | 'place'>,
  style: (style: 'red' | 'dim', text: string) => string,
): string {
  const { file, line, column } = problem.place
  const place = file === undefined ? '' : `${[file, line, column].filter((part) => part !== undefined).join(':')}\n  `
  return `${place}${style('red', problem.code)}  ${problem.message}\n  ${style('dim', problem.hint)}`
}
