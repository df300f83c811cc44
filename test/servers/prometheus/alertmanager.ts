import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, test } from 'vitest'

/** A `describe` for tests that ask an Alertmanager: `prometheus-alertmanager` and `amtool` on the PATH; else skipped, in CI a failure. */
export function describeWithAlertmanager(name: string, body: () => void): void {
  const need = 'prometheus-alertmanager and amtool on the PATH: `apt-get install --no-install-recommends prometheus-alertmanager`'
  if (['prometheus-alertmanager', 'amtool'].every(isOnPath)) describe(name, body)
  else if (process.env['CI'] === 'true')
    describe(name, () => {
      test('has what it needs', () => {
        throw new Error(`This suite needs ${need}.`)
      })
    })
  else describe.skip(`${name} (needs ${need})`, body)
}

/** What amtool says; it fails with what it says when it finds fault. */
export async function amtool(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('amtool', args)
  return stdout + stderr
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}
