import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Ajv } from 'ajv'
import { createGenerator } from 'ts-json-schema-generator'
import { describe, expect, test } from 'vitest'
import { grafanaDashboard } from '../../../src/observability/grafana.js'
import { repository } from '../../fixtures.js'
import { metrics, shop, shopDetails } from '../../observability/sample.js'

const written = join(repository, 'examples/nyc-taxi/monitoring/grafana/dashboards')

/** What Grafana reads of a Prometheus annotation, and its schema leaves out. */
const TOLERATED = ['expr', 'titleFormat']

/** Grafana's own types of its classic dashboard, as a schema that takes nothing beside them. It needs no server, but half a minute's worth of types. */
const validate = () => {
  const types = join(
    dirname(createRequire(import.meta.url).resolve('@grafana/schema/package.json')),
    'dist/types/raw/dashboard/x/types.gen.d.ts',
  )
  const schema = createGenerator({ path: types, type: 'Dashboard', skipTypeCheck: true, additionalProperties: false }).createSchema(
    'Dashboard',
  )
  return new Ajv({ allErrors: true, strict: false }).compile(schema as object)
}

describe("Grafana's schema of a dashboard", () => {
  const valid = validate()
  const faults = (document: unknown) => {
    valid(document)
    return (valid.errors ?? [])
      .filter(
        ({ instancePath, params }) =>
          !(/^\/annotations\/list\/\d+$/.test(instancePath) && TOLERATED.includes(String(params['additionalProperty']))),
      )
      .map(({ instancePath, message }) => `${instancePath} ${message}`)
  }

  test('takes what is generated', () => {
    expect(faults(grafanaDashboard(shop, { metrics }))).toEqual([])
    expect(faults(grafanaDashboard(shopDetails, { metrics }))).toEqual([])
  })

  test.each(readdirSync(written).map((file) => [file]))('takes %s of the taxi example', (file) => {
    expect(faults(JSON.parse(readFileSync(join(written, file), 'utf8')))).toEqual([])
  })

  test.each<[string, object]>([
    ['a key that is none', { shortcuts: [] }],
    ['a panel whose type is a number', { panels: [{ type: 5 }] }],
    ['a link without a title', { links: [{ type: 'link', url: '/d/x' }] }],
    ['a variable of a kind that is none', { templating: { list: [{ type: 'guess', name: 'x' }] } }],
  ])('does not take %s, so it can fail', (_, change) => {
    expect(faults({ ...grafanaDashboard(shopDetails, { metrics }), ...change })).not.toEqual([])
  })
})
