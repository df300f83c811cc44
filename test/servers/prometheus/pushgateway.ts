import { describeWith, isOnPath } from '../../fixtures.js'
import { describeWithPrometheus, freePort, startServer } from './server.js'

/** As Debian calls it, and as its makers do. */
const program = ['prometheus-pushgateway', 'pushgateway'].find(isOnPath)

/** A `describe` for tests that push to a Pushgateway and ask a Prometheus. Without them they are reported as skipped; in CI as a failure. */
export function describeWithPushgateway(name: string, body: () => void): void {
  const need = 'a Pushgateway: `apt-get install --no-install-recommends prometheus-pushgateway`'
  if (program === undefined) describeWith(name, body, false, need)
  else describeWithPrometheus(name, body)
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
