import { failure, MIGRATION_PENDING } from '../../errors/index.js'
import { migrateStoresDown, migrateStoresUp, migrationStatus, type StoreMigrations } from '../../pipeline/index.js'
import { requireUnchanged } from '../../sync/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS } from '../command.js'
import { duration, type Output, table } from '../output.js'
import { runVerb } from '../verbs.js'

export const migrate: Command = {
  name: 'migrate',
  summary: 'Bring the tables of SQL stores to the version that the project wants.',
  usage: 'up|status|check|down [store...]',
  examples: ['sluice migrate up', 'sluice migrate status', 'sluice migrate check --json', 'sluice migrate down warehouse --yes'],
  details: `Migrations are the files of sql/migrations/<store>/: 001_first.sql, or 001_first.mysql.sql for one dialect. What is applied stands in
the table schema_version, with a checksum: an applied file that has changed is refused. check exits 1 while any is pending, for CI.
down takes the newest one back, by what stands below its line \`-- down\`.`,
  options: { ...PROJECT_OPTIONS, yes: { type: 'boolean', help: 'down: do it' } },
  run: (invocation) => runVerb('migrate', { up, status, check, down }, invocation),
}

async function up(invocation: Invocation, words: readonly string[]): Promise<number> {
  const { output } = invocation
  const results = await migrateStoresUp(await invocation.workspace(), words, (store, { version, name, durationMs }) =>
    output.progress(`${output.style('green', 'applied')}  ${store}  ${version}_${name}  ${output.style('dim', duration(durationMs ?? 0))}`),
  )
  if (output.json) output.document({ stores: results })
  else for (const one of results) output.print(`${one.store}: ${upText(one)}  ${output.style('dim', one.address)}`)
  if (!output.json && results.length === 0) output.print('The project has no store that runs SQL.')
  return 0
}

function upText({ leftOut, migrations }: StoreMigrations): string {
  if (leftOut !== undefined) return `left out: ${leftOut}`
  return migrations.length === 0 ? 'up to date' : `${migrations.length} applied`
}

async function status(invocation: Invocation, words: readonly string[]): Promise<number> {
  const results = await migrationStatus(await invocation.workspace(), words)
  if (invocation.output.json) invocation.output.document({ stores: results })
  else print(invocation.output, results)
  return 0
}

async function check(invocation: Invocation, words: readonly string[]): Promise<number> {
  const results = await migrationStatus(await invocation.workspace(), words)
  const all = results.flatMap((one) => one.migrations)
  requireUnchanged(all)
  const pending = all.filter((one) => one.status !== 'applied')
  if (pending.length > 0)
    throw failure(MIGRATION_PENDING, { count: pending.length, migrations: pending.map((one) => `${one.version}_${one.name}`).join(', ') })
  if (invocation.output.json) invocation.output.document({ stores: results })
  else print(invocation.output, results)
  return 0
}

async function down(invocation: Invocation, words: readonly string[]): Promise<number> {
  const { output } = invocation
  if (!invocation.flag('yes')) {
    output.progress('`down` takes tables and their rows away. Say --yes to do it.')
    return 2
  }
  const results = await migrateStoresDown(await invocation.workspace(), words)
  if (output.json) output.document({ stores: results })
  else
    for (const { store, migrations } of results)
      output.print(`${store}: ${migrations.map((one) => `${one.version}_${one.name} taken back`).join(', ') || 'nothing is applied'}`)
  return 0
}

function print(output: Output, results: readonly StoreMigrations[]): void {
  if (results.length === 0) output.print('The project has no stores.')
  for (const { store, address, migrations, leftOut } of results) {
    output.print(`${output.style('bold', store)}  ${output.style('dim', address)}`)
    if (leftOut !== undefined) output.print(`  left out: ${leftOut}`)
    const rows = migrations.map((one) => [
      one.version,
      one.name,
      one.status,
      one.appliedAt ?? '',
      one.durationMs === undefined ? '' : duration(one.durationMs),
    ])
    if (rows.length > 0) output.print(table(['version', 'name', 'status', 'applied at', 'time'], rows))
    else if (leftOut === undefined) output.print('  no migrations')
  }
}
