import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { MONITORING_TARGETS, type MonitoringTarget, monitoringFiles } from '../../deploy/index.js'
import { didYouMean, failure, GENERATED_FOLDER_UNUSABLE, GENERATED_STALE, messageOf, USAGE_WRONG } from '../../errors/index.js'
import { type Command, PROJECT_OPTIONS, requireWord } from '../command.js'
import { writeFileWhole } from '../target.js'

const ALL = 'all'

export const generate: Command = {
  name: 'generate',
  summary: 'Write the files of a monitoring stack from the definitions.',
  usage: `${MONITORING_TARGETS.join('|')}|${ALL}`,
  examples: ['sluice generate prometheus', 'sluice generate all --out monitoring', 'sluice generate all --out monitoring --check'],
  details: `prometheus: scrape configuration, rules, their tests for \`promtool test rules\`, and a page for each alert. alertmanager: routes, receivers
and inhibitions; secrets are files it names. grafana: dashboards and provisioning. compose: all of them as containers.
With --check nothing is written, and it exits 1 when a file is not as the definitions have it: for CI.`,
  options: {
    ...PROJECT_OPTIONS,
    out: { type: 'string', value: 'DIR', help: 'where to (default: monitoring, in the project)' },
    check: { type: 'boolean', help: 'write nothing; fail when files are out of date' },
  },
  async run(invocation) {
    const { output } = invocation
    const word = requireWord(generate, invocation.positionals[0], `one of ${[...MONITORING_TARGETS, ALL].join(', ')}`)
    const targets = word === ALL ? MONITORING_TARGETS : MONITORING_TARGETS.filter((target) => target === word)
    if (targets.length === 0) {
      const problem = `There is nothing called "${word}" to generate. ${didYouMean(word, [...MONITORING_TARGETS, ALL])}`
      throw failure(USAGE_WRONG, { command: 'generate', problem })
    }
    const { project } = await invocation.workspace()
    const given = invocation.text('out')
    const folder = given === undefined ? join(project.folder, 'monitoring') : resolve(given)
    const files = targets
      .flatMap((target: MonitoringTarget) => monitoringFiles(target, project))
      .map(({ path, text }) => ({ path: join(folder, path), text }))
    const stale = inFolder(folder, () => files.filter(({ path, text }) => !existsSync(path) || readFileSync(path, 'utf8') !== text))
    if (invocation.flag('check')) {
      if (stale.length > 0)
        throw failure(GENERATED_STALE, { files: stale.map(({ path }) => path).join(', '), command: `sluice generate ${word}` })
    } else {
      inFolder(folder, () => {
        for (const { path, text } of stale) {
          mkdirSync(dirname(path), { recursive: true })
          writeFileWhole(path, text)
        }
      })
    }
    if (output.json) output.document({ files: files.map(({ path }) => path), changed: stale.map(({ path }) => path) })
    else output.print(`${files.map(({ path }) => path).join('\n')}\n${files.length} files, ${stale.length} of them changed.`)
    return 0
  },
}

/** Throws GENERATED_FOLDER_UNUSABLE for what the disk does not let through. */
function inFolder<Result>(folder: string, work: () => Result): Result {
  try {
    return work()
  } catch (thrown) {
    throw failure(GENERATED_FOLDER_UNUSABLE, { folder, problem: messageOf(thrown) }, { cause: thrown })
  }
}
