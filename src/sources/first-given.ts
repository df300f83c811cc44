import { failure, SOURCE_NOT_GIVEN } from '../errors/index.js'
import { SOURCE, type Source } from './source.js'

/**
 * The first of several sources whose variables have values.
 *
 * `firstGiven(files(vars.input), generator({ ... }))` reads files with `--var input=...`, and generates without.
 */
export function firstGiven(...sources: readonly [Source, ...Source[]]): Source {
  const variables = [...new Map(sources.flatMap((one) => one.variables).map((one) => [one.name, one])).values()]
  return {
    [SOURCE]: true,
    variables,
    given: (values) => sources.some((one) => one.given(values)),
    lacking: () => sources.map((one) => one.lacking?.()).find((one) => one !== undefined),
    describe: (values) => (sources.find((one) => one.given(values)) ?? sources[0]).describe(values),
    async offer(context) {
      const chosen = sources.find((one) => one.given(context.values))
      if (chosen === undefined) throw failure(SOURCE_NOT_GIVEN, { dataset: 'A source', variables: variables.map((one) => one.name) })
      return chosen.offer(context)
    },
  }
}
