import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'
import { describeWithPrometheus, freePort, startServer } from './server.js'

/** As Debian calls it, and as its makers do. */
const program = ['prometheus-pushgateway', 'pushgateway'].find((name) =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name))),
)

/** A `describe` for tests that push to a Pushgateway and ask a Prometheus. Without them they are reported as skipped; in CI as a failure. */
export function describeWithPushgateway(name: string, body: () => void): void {
  if (program !== undefined) describeWithPrometheus(name, body)
  else if (process.env['CI'] === 'true') throw new Error(`${name} needs a Pushgateway: \`apt-get install prometheus-pushgateway\`.`)
  else describe.skip(`${name} (needs a Pushgateway: \`apt-get install prometheus-pushgateway\`)`, body)
}

/** Starts a Pushgateway on a free port of this machine and resolves when it is ready. */
export async function startPushgateway(): Promise<{ readonly url: string; readonly port: number; stop(): Promise<void> }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  // Debian's keeps what it is pushed in a file for the whole machine, unless told.
  const args = [`--web.listen-address=127.0.0.1:${port}`, '--persistence.file=']
  const { stop } = await startServer(program ?? 'pushgateway', args, `${url}/-/ready`)
  return { url, port, stop }
}
