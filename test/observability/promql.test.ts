import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSluiceError } from '../../src/errors/index.js'
import { type Expression, matching, resultOf, type SelectExpression } from '../../src/observability/expression.js'
import { durationText, promql } from '../../src/observability/promql.js'
import { parsePromql } from '../../src/observability/promql-parser.js'

const runs: SelectExpression = { kind: 'select', metric: 'runs_total', matchers: [] }
const series = (metric: string): SelectExpression => ({ kind: 'select', metric, matchers: [] })
const number = (value: number): Expression => ({ kind: 'number', value })

describe('promql', () => {
  test.each<[string, Expression]>([
    ['runs_total', runs],
    [
      'runs_total{status="failed",pipeline=~"a|b",note!="say \\"hi\\"\\n"} offset 1h30m',
      {
        kind: 'select',
        metric: 'runs_total',
        matchers: [
          { label: 'status', operator: '=', value: 'failed' },
          { label: 'pipeline', operator: '=~', value: 'a|b' },
          { label: 'note', operator: '!=', value: 'say "hi"\n' },
        ],
        offset: 5_400_000,
      },
    ],
    ['rate(runs_total[5m])', { kind: 'range', function: 'rate', of: runs, window: 300_000 }],
    ['rate(runs_total[5m] offset -1m)', { kind: 'range', function: 'rate', of: { ...runs, offset: -60_000 }, window: 300_000 }],
    [
      'quantile_over_time(0.9, runs_total[1d])',
      { kind: 'range', function: 'quantile_over_time', of: runs, window: 86_400_000, parameter: 0.9 },
    ],
    [
      'predict_linear(runs_total[1h], 14400)',
      { kind: 'range', function: 'predict_linear', of: runs, window: 3_600_000, parameter: 14_400 },
    ],
    [
      'sum by (pipeline) (rate(runs_total[5m]))',
      {
        kind: 'aggregate',
        operator: 'sum',
        grouping: { by: ['pipeline'] },
        of: { kind: 'range', function: 'rate', of: runs, window: 300_000 },
      },
    ],
    ['topk without (job) (3, runs_total)', { kind: 'aggregate', operator: 'topk', grouping: { without: ['job'] }, parameter: 3, of: runs }],
    ['count(runs_total)', { kind: 'aggregate', operator: 'count', grouping: { by: [] }, of: runs }],
    [
      '(a + b) * c',
      { kind: 'binary', operator: '*', left: { kind: 'binary', operator: '+', left: series('a'), right: series('b') }, right: series('c') },
    ],
    [
      'a - (b - c)',
      { kind: 'binary', operator: '-', left: series('a'), right: { kind: 'binary', operator: '-', left: series('b'), right: series('c') } },
    ],
    [
      '(a ^ b) ^ c ^ d',
      {
        kind: 'binary',
        operator: '^',
        left: { kind: 'binary', operator: '^', left: series('a'), right: series('b') },
        right: { kind: 'binary', operator: '^', left: series('c'), right: series('d') },
      },
    ],
    ['(-2) ^ 2', { kind: 'binary', operator: '^', left: number(-2), right: number(2) }],
    [
      'a > bool on (job) b',
      { kind: 'comparison', operator: '>', bool: true, matching: { on: ['job'] }, left: series('a'), right: series('b') },
    ],
    [
      'a and (b or c)',
      { kind: 'set', operator: 'and', left: series('a'), right: { kind: 'set', operator: 'or', left: series('b'), right: series('c') } },
    ],
    ['histogram_quantile(0.95, a)', { kind: 'histogram_quantile', quantile: 0.95, of: series('a') }],
    ['clamp(a, -Inf, 1e+21)', { kind: 'call', function: 'clamp', of: series('a'), args: [Number.NEGATIVE_INFINITY, 1e21] }],
    ['vector(time())', { kind: 'vector', of: { kind: 'time' } }],
    ['{__name__="sum"}', series('sum')],
    ['{__name__="rows/s",a="b"}', { kind: 'select', metric: 'rows/s', matchers: [{ label: 'a', operator: '=', value: 'b' }] }],
  ])('%s is printed and read', (text, expression) => {
    expect(promql(expression)).toBe(text)
    expect(parsePromql(text)).toEqual(expression)
  })

  test('an automatic window is the rate interval asked for', () => {
    const rate: Expression = { kind: 'range', function: 'rate', of: runs, window: 'auto' }
    expect(promql(rate, { rateInterval: '$__rate_interval' })).toBe('rate(runs_total[$__rate_interval])')
    expect(promql({ kind: 'scalar', of: rate })).toBe('scalar(rate(runs_total[1m]))')
  })

  test.each([
    [0, '0s'],
    [1, '1ms'],
    [90_000, '1m30s'],
    [604_800_000, '1w'],
    [691_200_000, '8d'],
    [2_592_000_000, '30d'],
    [31_536_000_000, '1y'],
    [-3_600_001, '-1h1ms'],
  ])('%d ms are %s', (milliseconds, text) => {
    expect(durationText(milliseconds)).toBe(text)
  })
})

describe('parsePromql', () => {
  test('reads back what is printed, for any tree', () => {
    fc.assert(
      fc.property(vectors, (expression) => {
        expect(parsePromql(promql(expression))).toEqual(expression)
      }),
      { numRuns: 500 },
    )
  })

  test.each<[string, string]>([
    ['-a', '-1 * a'],
    ['-2 ^ 2', '-1 * 2 ^ 2'],
    ['2 * -2 ^ 2', '2 * (-1 * 2 ^ 2)'],
    ['+a + - -1', 'a + 1'],
    ['-(a)', '-1 * a'],
    ['((a))', 'a'],
    ['SUM (a) BY (x, )', 'sum by (x) (a)'],
    ['sum without () (a)', 'sum without () (a)'],
    ['0x1F + 1e3 + .5 + 010 + 1_000', '31 + 1000 + 0.5 + 8 + 1000'],
    ['Inf + +inf - -INF + NaN + nan', 'Inf + Inf - -Inf + NaN + NaN'],
    ['vector(5m)', 'vector(300)'],
    ['rate(m[300])', 'rate(m[5m])'],
    ['rate((m[1h30m]))', 'rate(m[1h30m])'],
    ['rate(m[5m] offset - 1h)', 'rate(m[5m] offset -1h)'],
    ['m offset 0s', 'm'],
    ['a # to the end\n+ b', 'a + b'],
    ['{__name__="m", a=\'b\', }', 'm{a="b"}'],
    ['{"m", "a"=`\\d`}', 'm{a="\\\\d"}'],
    [String.raw`m{a="\x41\101\u00e9\U0001f600\'"}`.replace("\\'", "'"), 'm{a="AAé😀\'"}'],
    ['a / ignoring () b', 'a / ignoring () b'],
    ['1 + on () 2', '1 + 2'],
    ['sum', '{__name__="sum"}'],
    ['a + b offset 5m * c', 'a + b offset 5m * c'],
    ['-a offset 5m', '-1 * a offset 5m'],
    ['2 ^ -1 * 3', '2 ^ -1 * 3'],
    ['a ^ -b ^ c', 'a ^ (-1 * b ^ c)'],
    ['- 2 - - 1', '-2 - -1'],
    ['a UNLESS b AND c OR d', 'a unless b and c or d'],
  ])('%s is %s', (text, canonical) => {
    const read = parsePromql(text)
    expect(promql(read)).toBe(canonical)
    expect(parsePromql(canonical)).toEqual(read)
  })

  test.each<[string, number, number, string]>([
    ['', 1, 1, 'it is empty'],
    ['sum(', 1, 5, 'it ends too early'],
    ['a +\n  b c', 2, 5, '"c" was not expected'],
    ['foo(a)', 1, 4, 'foo is no function'],
    ['a{b="c', 1, 7, 'it ends too early'],
    ['rate(a)', 1, 6, 'rate takes a range of samples, such as m[5m]'],
    ['rate(a[5m], 3)', 1, 1, 'rate takes 1 argument, and has 2'],
    ['abs(a[5m])', 1, 5, 'a range of samples stands where one value of each series is needed'],
    ['abs(1)', 1, 5, 'abs takes series, and has a number'],
    ['sum(1)', 1, 5, 'sum takes series, and has a number'],
    ['topk(a, a)', 1, 6, 'topk takes a number here, and has series'],
    ['topk(NaN, a)', 1, 6, 'topk takes a whole number of series'],
    ['vector(a)', 1, 8, 'vector takes a number, and has series'],
    ['1 > 2', 1, 3, 'a comparison of two numbers needs `bool`'],
    ['1 and a', 1, 3, '`and` stands only between series, and one side is a number'],
    ['a + bool b', 1, 3, '`bool` stands only after a comparison'],
    ['a + on (x) 1', 1, 3, 'labels are matched only between series, and one side is a number'],
    ['a{b=~"("}', 1, 6, 'Invalid regular expression: /^(?:()$/su: Unterminated group'],
    ['a{b=~"(?=x)"}', 1, 6, 'Invalid regular expression: (?= is not read here'],
    ['a{b=~"[[:alpha:]]"}', 1, 6, 'Invalid regular expression: [[: is not read here'],
    ['a{b=~"(x)\\\\1"}', 1, 6, 'Invalid regular expression: \\1 is not read here'],
    ['a{b=="x"}', 1, 5, '"=" was not expected'],
    ['a{b="\\q"}', 1, 5, 'a text has an escape that is not known'],
    ['a{b="\\xff"}', 1, 5, 'a text has an escape that is not known'],
    ['{}', 1, 1, 'it chooses every metric; name one'],
    ['a{__name__="b"}', 1, 1, 'the metric has two names'],
    ['rate(a[0s])', 1, 8, 'a range is longer than 0'],
    ['rate(a offset 1m [5m])', 1, 6, 'a range stands directly after the name and labels of a metric'],
    ['sum(a) offset 1m', 1, 1, '`offset` stands directly after a metric or its range, once'],
    ['a + b[5m]', 1, 5, 'a range of samples stands where one value of each series is needed'],
    ['"text" + 1', 1, 1, 'a text stands where a number or series are needed'],
    ['a[300y]', 1, 1, ''],
  ])('%s is refused at line %d, column %d', (text, line, column, problem) => {
    const error = refusal(text)
    if (problem === '') expect(error.code).toBe('PROMQL_UNSUPPORTED')
    else expect(error).toMatchObject({ code: 'PROMQL_INVALID', exit: 2, retry: 'terminal', facts: { problem } })
    expect(error.place).toEqual({ line, column })
  })

  test.each([
    ['max_over_time(rate(a[5m])[1h:])', 15, 'a subquery'],
    ['a + on (x) group_left (y) b', 12, 'group_left'],
    ['a + on (x) group_right () b', 12, 'group_right'],
    ['a @ 5', 1, 'the modifier @'],
    ['rate(a[5m] @ end())', 6, 'the modifier @'],
    ['label_replace(a, "x", "y", "z", "w")', 1, 'the function label_replace'],
    ['histogram_sum(a)', 1, 'the function histogram_sum'],
    ['count_values("x", a)', 1, 'count_values'],
    ['a atan2 b', 3, 'the operator atan2'],
    ['topk(scalar(a), a)', 6, 'a parameter of topk that is not a plain number'],
    ['{job="x"}', 1, "a selector without a metric's name"],
    ['{__name__=~"a|b"}', 2, 'a choice of metrics by name'],
    ['a[5m]', 1, 'a range of samples as its result'],
    ['"text"', 1, 'a text as its result'],
    ['rate(a[5m * 2])', 8, 'a computed duration'],
  ])('%s is PromQL that is not evaluated, at column %d: %s', (text, column, feature) => {
    expect(refusal(text)).toMatchObject({
      code: 'PROMQL_UNSUPPORTED',
      exit: 2,
      retry: 'terminal',
      facts: { feature },
      place: { line: 1, column },
    })
  })

  test.each<[string, string]>([
    ['open parentheses', '('.repeat(60_000)],
    ['nested parentheses', `${'('.repeat(1000)}a${')'.repeat(1000)}`],
    ['nested calls', `${'abs('.repeat(600)}a${')'.repeat(600)}`],
    ['a long sum', Array(1100).fill('a').join('+')],
    ['a longer sum', Array(20_000).fill('a').join('+')],
    ['a tower of powers', Array(20_000).fill('2').join('^')],
    ['minus signs', `${'-'.repeat(50_000)}1`],
    ['minus signs apart', `${'- '.repeat(1000)}a`],
    ['open sums', 'sum('.repeat(15_000)],
    ['a text without end', `a{b="${'\\'.repeat(50_000)}`],
    ['a text of nothing but letters', 'a'.repeat(100_000)],
    ['unreadable signs', '\u0000\u0001🙂'.repeat(1000)],
  ])('%s are refused, and nothing breaks', (_, text) => {
    expect(refusal(text)).toMatchObject({ code: 'PROMQL_INVALID', exit: 2 })
  })

  test('a long text of letters in a matcher is read', () => {
    const value = '\\é'.repeat(20_000)
    expect(parsePromql(`a{b=${JSON.stringify(value)}}`)).toEqual({
      kind: 'select',
      metric: 'a',
      matchers: [{ label: 'b', operator: '=', value }],
    })
  })

  test('any text is read or refused by code', () => {
    const words = [
      'sum',
      'rate',
      '(',
      ')',
      '[5m]',
      '{',
      '}',
      'a',
      '=',
      '"x"',
      ',',
      'by',
      'on',
      '-',
      '+',
      '^',
      '1',
      'offset',
      '5m',
      '@',
      ' ',
      '\n',
      '#',
      '[',
      ':',
    ]
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(fc.constantFrom(...words)).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            const read = parsePromql(text)
            expect(parsePromql(promql(read))).toEqual(read)
          } catch (error) {
            if (!isSluiceError(error)) throw error
            expect(error.code).toMatch(/^PROMQL_(INVALID|UNSUPPORTED)$/)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('matching', () => {
  test.each<[string, 'yes' | 'no']>([
    ['a="x"', 'yes'],
    ['a="X"', 'no'],
    ['a!="x"', 'no'],
    ['missing=""', 'yes'],
    ['missing!=""', 'no'],
    ['missing!="x"', 'yes'],
    ['constructor=""', 'yes'],
    ['lines=~"one.two"', 'yes'],
    ['a=~"x|y"', 'yes'],
    ['a=~"y|xx"', 'no'],
    ['a!~"y|xx"', 'yes'],
    ['a=~"(?i)X"', 'yes'],
    ['dashed=~"a\\\\-b"', 'yes'],
    ['smile=~"."', 'yes'],
    ['dashed=~"a[x\\\\-z]b"', 'yes'],
    ['paren=~"\\\\(?="', 'yes'],
    ['a=~"\\\\p{L}"', 'yes'],
    ['a=~"(?P<letter>x)"', 'yes'],
  ])('%s: %s', (matcher, holds) => {
    const { matchers } = parsePromql(`m{${matcher}}`) as SelectExpression
    expect(matching(matchers)({ a: 'x', lines: 'one\ntwo', dashed: 'a-b', smile: '🙂', paren: '(=' })).toBe(holds === 'yes')
  })
})

function refusal(text: string) {
  try {
    parsePromql(text)
  } catch (error) {
    if (isSluiceError(error)) return error
    throw error
  }
  throw new Error(`${text.slice(0, 100)} was read.`)
}

const labels = fc
  .oneof(fc.constantFrom('le', 'by', 'on', 'offset', 'sum', 'inf', 'a'), fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,5}$/))
  .filter((label) => label !== '__name__')
const metrics = fc.oneof(
  fc.constantFrom('m', 'sum', 'offset', 'inf', 'rate', 'time', 'start', 'bool', 'group_left', 'rows/s'),
  fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,8}$/),
)
const durations = fc.oneof(fc.constantFrom(1000, 300_000, 86_400_000, 604_800_000), fc.integer({ min: 1, max: 10 ** 11 }))
const numbers = fc.oneof(fc.double(), fc.integer())
const matchers: fc.Arbitrary<SelectExpression['matchers']> = fc.array(
  fc.oneof(
    fc.record({ label: labels, operator: fc.constantFrom('=' as const, '!=' as const), value: fc.string({ unit: 'binary' }) }),
    fc.record({ label: labels, operator: fc.constantFrom('=~' as const, '!~' as const), value: fc.constantFrom('.+', 'a|b', '\\d+"', '') }),
  ),
  { maxLength: 3 },
)
const selects: fc.Arbitrary<SelectExpression> = fc.record(
  {
    kind: fc.constant('select' as const),
    metric: metrics,
    matchers,
    offset: fc.oneof(
      durations,
      durations.map((duration) => -duration),
    ),
  },
  { requiredKeys: ['kind', 'metric', 'matchers'] },
)
const names = fc.array(labels, { maxLength: 3 })
const modifiers = fc.oneof(fc.record({ on: names }), fc.record({ ignoring: names }))

const { vectors } = fc.letrec<{ vectors: Expression; scalars: Expression; anything: Expression }>((tie) => ({
  anything: fc.oneof({ depthSize: 'small' }, tie('vectors'), tie('scalars')),
  scalars: fc.oneof(
    { depthSize: 'small' },
    numbers.map((value): Expression => ({ kind: 'number', value })),
    fc.constant<Expression>({ kind: 'time' }),
    fc.record({ kind: fc.constant('scalar' as const), of: tie('vectors') }),
    fc.record({
      kind: fc.constant('binary' as const),
      operator: fc.constantFrom('+' as const, '-' as const, '*' as const, '/' as const, '%' as const, '^' as const),
      left: tie('scalars'),
      right: tie('scalars'),
    }),
  ),
  vectors: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    selects,
    fc.record({
      kind: fc.constant('range' as const),
      function: fc.constantFrom('rate' as const, 'last_over_time' as const, 'absent_over_time' as const),
      of: selects,
      window: durations,
    }),
    fc.record({
      kind: fc.constant('range' as const),
      function: fc.constantFrom('predict_linear' as const, 'quantile_over_time' as const),
      of: selects,
      window: durations,
      parameter: numbers,
    }),
    fc.record({ kind: fc.constant('vector' as const), of: tie('scalars') }),
    fc.record({ kind: fc.constant('absent' as const), of: tie('vectors') }),
    fc.record({ kind: fc.constant('histogram_quantile' as const), quantile: numbers, of: tie('vectors') }),
    fc.record({
      kind: fc.constant('call' as const),
      function: fc.constantFrom('abs' as const, 'round' as const, 'sort_desc' as const),
      of: tie('vectors'),
      args: fc.constant([]),
    }),
    fc.record({
      kind: fc.constant('call' as const),
      function: fc.constant('clamp' as const),
      of: tie('vectors'),
      args: fc.tuple(numbers, numbers),
    }),
    fc.record({
      kind: fc.constant('aggregate' as const),
      operator: fc.constantFrom('sum' as const, 'avg' as const, 'stddev' as const, 'group' as const),
      grouping: fc.oneof(fc.record({ by: names }), fc.record({ without: names })),
      of: tie('vectors'),
    }),
    fc.record({
      kind: fc.constant('aggregate' as const),
      operator: fc.constantFrom('topk' as const, 'quantile' as const),
      grouping: fc.oneof(fc.record({ by: names }), fc.record({ without: names })),
      parameter: fc.integer(),
      of: tie('vectors'),
    }),
    fc
      .record({
        kind: fc.constant('binary' as const),
        operator: fc.constantFrom('+' as const, '-' as const, '*' as const, '/' as const, '%' as const, '^' as const),
        left: tie('anything'),
        right: tie('anything'),
        matching: fc.option(modifiers, { nil: undefined }),
      })
      .map(({ matching: modifier, ...rest }): Expression => ({ ...rest, ...matched(rest.left, rest.right, modifier) }))
      .filter((expression) => resultOf(expression) === 'vector'),
    fc
      .record({
        kind: fc.constant('comparison' as const),
        operator: fc.constantFrom('==' as const, '!=' as const, '>' as const, '<' as const, '>=' as const, '<=' as const),
        left: tie('anything'),
        right: tie('anything'),
        bool: fc.boolean(),
        matching: fc.option(modifiers, { nil: undefined }),
      })
      .map(({ matching: modifier, ...rest }): Expression => ({ ...rest, ...matched(rest.left, rest.right, modifier) }))
      .filter((expression) => resultOf(expression) === 'vector'),
    fc
      .record({
        kind: fc.constant('set' as const),
        operator: fc.constantFrom('and' as const, 'or' as const, 'unless' as const),
        left: tie('vectors'),
        right: tie('vectors'),
        matching: fc.option(modifiers, { nil: undefined }),
      })
      .map(({ matching: modifier, ...rest }): Expression => ({ ...rest, ...(modifier === undefined ? {} : { matching: modifier }) })),
  ),
}))

function matched(left: Expression, right: Expression, modifier: { on: string[] } | { ignoring: string[] } | undefined) {
  return modifier === undefined || resultOf(left) === 'scalar' || resultOf(right) === 'scalar' ? {} : { matching: modifier }
}
