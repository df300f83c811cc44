import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describeWith, isOnPath } from '../../fixtures.js'

/** A `describe` for tests that ask an Alertmanager: `prometheus-alertmanager` and `amtool` on the PATH; else skipped, in CI a failure. */
export function describeWithAlertmanager(name: string, body: () => void): void {
  const need = 'prometheus-alertmanager and amtool on the PATH: `apt-get install --no-install-recommends prometheus-alertmanager`'
  describeWith(name, body, ['prometheus-alertmanager', 'amtool'].every(isOnPath), need)
}

/** What amtool says; it fails with what it says when it finds fault. */
export async function amtool(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('amtool', args)
  return stdout + stderr
}
