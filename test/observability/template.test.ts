import { describe, expect, test } from 'vitest'
import { renderTemplate } from '../../src/observability/template.js'

/** Figures as `promtool test rules` 2.42 gives them; `test/servers/prometheus/rules.test.ts` asks it about many more. */
describe('a text of an alert', () => {
  test.each([
    [1_000_000, '1e+06', '1M', '976.6ki', '11d 13h 46m 40s', '1e+08%'],
    [123_456_789.5, '1.234567895e+08', '123.5M', '117.7Mi', '1428d 21h 33m 9s', '1.235e+10%'],
    [0.00001, '1e-05', '10u', '1e-05', '10us', '0.001%'],
    [1500, '1500', '1.5k', '1.465ki', '25m 0s', '1.5e+05%'],
    [0.0734, '0.0734', '73.4m', '0.0734', '73.4ms', '7.34%'],
    [0, '0', '0', '0', '0s', '0%'],
    [-90, '-90', '-90', '-90', '-1m 30s', '-9000%'],
    [3661, '3661', '3.661k', '3.575ki', '1h 1m 1s', '3.661e+05%'],
    [1.23456, '1.23456', '1.235', '1.235', '1.235s', '123.5%'],
    [Number.NaN, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN%'],
    [Number.POSITIVE_INFINITY, '+Inf', '+Inf', '+Inf', '+Inf', '+Inf%'],
    [Number.NEGATIVE_INFINITY, '-Inf', '-Inf', '-Inf', '-Inf', '-Inf%'],
  ])('writes %d as Prometheus does', (value, ...texts) => {
    const actions = ['$value', '$value | humanize', '$value|humanize1024', '$value | humanizeDuration', '$value | humanizePercentage']
    expect(actions.map((action) => renderTemplate(`{{ ${action} }}`, {}, value))).toEqual(texts)
  })

  test('rounds a number that lies between two to the even one', () => {
    expect(renderTemplate('{{ $value | humanize }}', {}, 100.25)).toBe('100.2')
    expect(renderTemplate('{{ $value | humanize }}', {}, 100.75)).toBe('100.8')
    expect(renderTemplate('{{ $value | humanize }}', {}, 100.250001)).toBe('100.3')
  })

  test('has labels in it, empty where there is none', () => {
    expect(renderTemplate('{{ $labels.shop }}{{$labels.none}} has {{ $value }}.', { shop: 'a$&b' }, 2)).toBe('a$&b has 2.')
  })

  test.each(['$labels.shop | toUpper', '$value | printf "%.2f"', 'if true', '$external', '$value | humanise'])(
    'refuses {{ %s }}',
    (action) => {
      expect(() => renderTemplate(`{{ ${action} }}`, {}, 1)).toThrow(expect.objectContaining({ code: 'ALERT_TEMPLATE_UNKNOWN' }))
    },
  )
})
