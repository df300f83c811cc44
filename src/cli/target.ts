import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isSql } from '../engine/index.js'
import { explainHeld, type RunResult, readsOf, reportModel, sourceOf, tableFields, variablesOf, type Workspace } from '../pipeline/index.js'
import type { ReportModel } from '../report/model.js'
import { renderReport } from '../report/page.js'
import { typeText } from '../schema/index.js'
import { plain } from './output.js'
import { version } from './version.js'

/** Files in `target/` that describe a project and its last run, for people and other tools. */

export function writeFileWhole(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}

function writeJson(path: string, value: unknown): void {
  writeFileWhole(path, `${JSON.stringify(value, plain, 2)}\n`)
}

/** `target/manifest.json`: what the project defines. */
export function writeManifest(workspace: Workspace, target: string): void {
  mkdirSync(target, { recursive: true })
  writeJson(join(target, 'manifest.json'), {
    format: 1,
    sluiceVersion: version(),
    project: workspace.project.config.name,
    environment: workspace.environment,
    datasets: workspace.project.datasets.map((one) => ({
      name: one.name,
      layer: one.layer,
      description: one.description,
      tags: one.tags,
      path: one.name.replace('.', '/'),
      columns: tableFields(one).map((field) => {
        const declared = one.columns[field.name]
        return {
          name: field.name,
          type: typeText(field.type),
          nullable: field.nullable,
          description: declared?.description ?? '',
          unit: declared?.unit ?? null,
          tags: declared?.tags ?? [],
        }
      }),
      key: one.key,
      partition: one.partition,
      write: one.write.kind,
      reads: readsOf(one),
      source: sourceOf(one)?.describe(workspace.values) ?? null,
      kind: isSql(one.from) ? 'query' : 'source',
      variables: [...new Set(variablesOf(one).map((variable) => variable.name))],
      expectations: one.expect.map(({ name, description, action, severity, tags, columns, mostly }) => ({
        name,
        description,
        action,
        severity,
        tags,
        columns,
        mostly: mostly ?? null,
      })),
    })),
  })
}

/** `target/run_results.json`: what `run --json` prints. */
export function writeRunResults(result: RunResult, target: string): void {
  writeJson(join(target, 'run_results.json'), result)
}

/**
 * Draws `target/report.html` from run records; answers where it is, and what it shows.
 * @param past whether alerts of the last 30 days are replayed for it
 */
export async function writeReport(
  workspace: Workspace,
  target: string,
  runId?: string,
  past = false,
): Promise<{ readonly path: string; readonly model: ReportModel } | undefined> {
  const session = await workspace.connect()
  try {
    const samples = []
    for (const dataset of workspace.project.datasets) samples.push(...(await explainHeld(workspace, session, dataset, { limit: 5 })))
    const model = await reportModel(workspace, session, { samples, version: version(), past, ...(runId === undefined ? {} : { runId }) })
    if (model === undefined) return undefined
    const path = join(target, 'report.html')
    mkdirSync(target, { recursive: true })
    writeFileWhole(path, renderReport(model))
    return { path, model }
  } finally {
    await session.close()
    await workspace.close()
  }
}
