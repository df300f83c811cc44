import { didYouMean, failure, USAGE_WRONG } from '../errors/index.js'
import type { Invocation } from './command.js'

/** Runs the verb that a command's first word names: `alerts check`. Throws USAGE_WRONG. */
export function runVerb(
  command: string,
  verbs: Readonly<Record<string, (invocation: Invocation, words: readonly string[]) => Promise<number>>>,
  invocation: Invocation,
): Promise<number> {
  const [verb = '', ...words] = invocation.positionals
  const chosen = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
  if (chosen !== undefined) return chosen(invocation, words)
  const known = Object.keys(verbs)
  const problem = verb === '' ? `It needs one of ${known.join(', ')}.` : `There is no \`${command} ${verb}\`. ${didYouMean(verb, known)}`
  throw failure(USAGE_WRONG, { command, problem })
}
