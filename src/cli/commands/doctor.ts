import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { availableParallelism, freemem, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { duckdb } from '../../engine/index.js'
import { isSluiceError, messageOf } from '../../errors/index.js'
import { check as checkProject, type Workspace } from '../../pipeline/index.js'
import { encodeText, localStorage } from '../../storage/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS } from '../command.js'
import { bytes } from '../output.js'
import { version } from '../version.js'

interface Finding {
  readonly name: string
  readonly ok: boolean
  readonly found: string
  readonly hint?: string
}

export const doctor: Command = {
  name: 'doctor',
  summary: 'Check that this machine and this project can run.',
  usage: '',
  examples: ['sluice doctor', 'sluice doctor --project examples/nyc-taxi'],
  options: PROJECT_OPTIONS,
  async run(invocation) {
    const findings = [node(), ...(await engine()), await storage(), ...(await project(invocation))]
    const ok = findings.every((finding) => finding.ok)
    if (invocation.output.json) invocation.output.document({ ok, sluiceVersion: version(), checks: findings })
    else
      for (const { name, ok: good, found, hint } of findings) {
        invocation.output.print(
          `${good ? invocation.output.style('green', 'ok ') : invocation.output.style('red', 'no ')}  ${name}: ${found}${good || hint === undefined ? '' : `\n      ${hint}`}`,
        )
      }
    return ok ? 0 : 2
  },
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return {
    name: 'node',
    ok: major > 20 || (major === 20 && minor >= 19),
    found: process.versions.node,
    hint: 'Sluice needs Node 20.19 or newer.',
  }
}

async function engine(): Promise<Finding[]> {
  const temporaryFolder = join(tmpdir(), `sluice-doctor-${process.pid}`)
  const database = duckdb({ temporaryFolder })
  try {
    const session = await database.connect()
    const [row] = await session.rows("SELECT version() AS v, (timestamp '2018-01-01' AT TIME ZONE 'America/New_York')::VARCHAR AS zone")
    await session.close()
    return [
      {
        name: 'duckdb',
        ok: true,
        found: `${row?.['v']}, ${availableParallelism()} threads, ${bytes(freemem())} of ${bytes(totalmem())} memory free`,
      },
      {
        name: 'time zones',
        ok: row?.['zone'] === '2018-01-01 05:00:00+00',
        found: String(row?.['zone']),
        hint: "DuckDB's icu extension is missing.",
      },
    ]
  } catch (error) {
    return [{ name: 'duckdb', ok: false, found: messageOf(error), hint: 'Run `npm ci` again: its native part for this system is missing.' }]
  } finally {
    await database.close()
  }
}

async function storage(): Promise<Finding> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-doctor-'))
  try {
    const local = localStorage()
    const won = await Promise.all([1, 2, 3, 4].map((writer) => local.putIfAbsent(join(folder, 'probe'), encodeText(String(writer)))))
    const ok = won.filter((one) => one).length === 1
    return {
      name: 'put-if-absent',
      ok,
      found: ok ? 'one of four racing writers won' : 'several racing writers won',
      hint: 'This file system cannot keep two writers apart.',
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function project(invocation: Invocation): Promise<Finding[]> {
  try {
    const workspace = await invocation.workspace()
    try {
      const problems = await checkProject(workspace)
      const free = await statfs(workspace.project.folder).then((found) => found.bavail * found.bsize)
      return [
        {
          name: 'project',
          ok: problems.length === 0,
          found: `${workspace.project.config.name}, ${workspace.project.datasets.length} datasets, ${problems.length} problems`,
          hint: '`sluice check` names them.',
        },
        {
          name: 'lake',
          ok: await writable(workspace.lake),
          found: workspace.lake,
          hint: 'It cannot be written; choose another with --lake PATH.',
        },
        { name: 'disk', ok: free > 1e9, found: `${bytes(free)} free`, hint: 'Less than 1 GB is free.' },
        ...(await stores(workspace)),
      ]
    } finally {
      await workspace.close()
    }
  } catch (error) {
    if (isSluiceError(error) && error.code === 'PROJECT_NOT_FOUND' && invocation.text('project') === undefined)
      return [{ name: 'project', ok: true, found: 'none here' }]
    return [{ name: 'project', ok: false, found: messageOf(error), hint: isSluiceError(error) ? error.hint : '`sluice check` says more.' }]
  }
}

/** Each store that the project names, opened once. One whose address is not given is not asked. */
async function stores({ project: { config, folder }, signal }: Workspace): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [name, store] of Object.entries(config.stores ?? {})) {
    const lacking = store.lacking()
    const about = { name: `store ${name}` }
    if (lacking !== undefined) {
      findings.push({
        ...about,
        ok: false,
        found: `${store.kind}: ${lacking} is not set`,
        hint: 'Set it, or take the store out of sluice.config.ts.',
      })
      continue
    }
    try {
      const open = await store.open({ projectFolder: folder, signal })
      await open.close()
      findings.push({ ...about, ok: true, found: `${store.describe()}, ${open.version}` })
    } catch (error) {
      findings.push({ ...about, ok: false, found: messageOf(error), ...(isSluiceError(error) ? { hint: error.hint } : {}) })
    }
  }
  return findings
}

async function writable(lake: string): Promise<boolean> {
  const local = localStorage()
  try {
    await local.makeFolder(lake)
    await local.put(join(lake, '.doctor'), encodeText(''))
    await local.remove(join(lake, '.doctor'))
    return true
  } catch {
    return false
  }
}
