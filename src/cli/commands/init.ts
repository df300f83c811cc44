import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { failure, USAGE_FOLDER_NOT_EMPTY, USAGE_WRONG } from '../../errors/index.js'
import type { Command } from '../command.js'
import { version } from '../version.js'

const TEMPLATES = ['empty', 'nyc-taxi']
const LEFT_OUT = ['node_modules', 'lake', 'target', '.sluice', '.env']

export const init: Command = {
  name: 'init',
  summary: 'Start a project.',
  usage: '[folder]',
  examples: ['sluice init my-lake', 'sluice init taxi --template nyc-taxi && sluice run --project taxi'],
  options: { template: { type: 'string', value: TEMPLATES.join('|'), help: 'what to start from (default: empty)' } },
  async run(invocation) {
    const template = invocation.text('template') ?? 'empty'
    if (!TEMPLATES.includes(template))
      throw failure(USAGE_WRONG, { command: 'init', problem: `--template takes ${TEMPLATES.join(' or ')}; "${template}" is neither.` })
    const folder = resolve(invocation.positionals[0] ?? '.')
    if (existsSync(folder) && readdirSync(folder).some((name) => name !== '.git')) throw failure(USAGE_FOLDER_NOT_EMPTY, { folder })
    mkdirSync(folder, { recursive: true })
    if (template === 'nyc-taxi') copyExample(folder)
    else writeEmpty(folder)
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
    if (invocation.output.json) invocation.output.document({ folder, template, files })
    else invocation.output.print(`A project is in ${folder}. Next:\n  sluice check --project ${folder}\n  sluice run --project ${folder}`)
    return 0
  },
}

function writeProject(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(resolve(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

function projectPackage(folder: string): string {
  const name =
    basename(folder)
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-') || 'lake'
  return `${JSON.stringify({ name, private: true, type: 'module', scripts: { run: 'sluice run' }, dependencies: { sluice: dependency() } }, null, 2)}\n`
}

/** From a clone the clone itself, since the version it stands for may not be published. */
function dependency(): string {
  const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')
  return root.includes('node_modules') ? `^${version()}` : `file:${root}`
}

const TYPESCRIPT = `${JSON.stringify({ compilerOptions: { target: 'es2023', module: 'nodenext', strict: true, noEmit: true, skipLibCheck: true }, include: ['**/*.ts'] }, null, 2)}\n`

const IGNORED = 'node_modules/\nlake/\ntarget/\n.sluice/\n'

function copyExample(folder: string): void {
  const example = fileURLToPath(new URL('../../../examples/nyc-taxi', import.meta.url))
  if (!existsSync(join(example, 'sluice.config.ts')))
    throw failure(USAGE_WRONG, { command: 'init', problem: 'The nyc-taxi example is not part of this installation.' })
  cpSync(example, folder, { recursive: true, filter: (path) => !LEFT_OUT.includes(basename(path)) })
  writeProject(folder, { 'package.json': projectPackage(folder), 'tsconfig.json': TYPESCRIPT, '.gitignore': IGNORED })
}

function writeEmpty(folder: string): void {
  writeProject(folder, {
    'package.json': projectPackage(folder),
    'tsconfig.json': TYPESCRIPT,
    '.gitignore': IGNORED,
    'sluice.config.ts': `import { defineProject } from 'sluice'\n\nexport default defineProject({\n  name: '${basename(folder)}',\n  lake: './lake',\n})\n`,
    'variables.ts':
      "import { variable, variables } from 'sluice'\n\nexport const vars = variables({\n  input: variable.path({ default: 'landing/*.csv', description: 'Where orders arrive.' }),\n})\n",
    'landing/orders.csv': 'order_id,ordered_on,amount\n1,2026-01-01,12.50\n2,2026-01-01,-3.00\n3,2026-01-02,7.25\n',
    'datasets/bronze/raw-orders.ts': `import { append, column, dataset, files } from 'sluice'
import { vars } from '../../variables.js'

export const rawOrders = dataset('bronze.raw_orders', {
  description: 'Orders as they arrived.',
  columns: {
    order_id: column.long(),
    ordered_on: column.date(),
    amount: column.decimal(10, 2, { unit: 'USD' }),
  },
  from: files(vars.input),
  write: append(),
})
`,
    'datasets/silver/orders.ts': `import { changed, column, dataset, expect, merge, sql } from 'sluice'
import { rawOrders } from '../bronze/raw-orders.js'

export const orders = dataset('silver.orders', {
  description: 'One order.',
  columns: {
    order_id: column.long({ nullable: false }),
    ordered_on: column.date(),
    amount: column.decimal(10, 2, { unit: 'USD' }),
  },
  key: ['order_id'],
  from: sql\`select order_id, ordered_on, amount, _source_file, _source_row from \${changed(rawOrders)}\`,
  write: merge(),
  expect: [
    expect.column('order_id').notNull().otherwise('quarantine'),
    expect.unique('order_id').otherwise('quarantine'),
    expect.column('amount').atLeast(0).named('amount_not_negative').otherwise('quarantine'),
  ],
})
`,
    'datasets/gold/revenue-by-day.ts': `import { changed, column, dataset, replaceBy, sql } from 'sluice'
import { orders } from '../silver/orders.js'

export const revenueByDay = dataset('gold.revenue_by_day', {
  description: 'What was earned each day.',
  columns: {
    ordered_on: column.date(),
    orders: column.long(),
    revenue: column.decimal(18, 2, { unit: 'USD' }),
  },
  from: sql\`select ordered_on, count(*) as orders, sum(amount) as revenue from \${changed(orders)} group by all\`,
  write: replaceBy('ordered_on'),
})
`,
  })
}
