import { serve as startServer } from '../../console/index.js'
import { monitoringFiles } from '../../deploy/index.js'
import { failure, SERVE_ADDRESS_TAKEN, SERVE_TOKEN_NEEDED, USAGE_WRONG } from '../../errors/index.js'
import { openJournal } from '../../journal/index.js'
import { seriesInMemory } from '../../monitoring/index.js'
import { observeProcess, Registry } from '../../observability/index.js'
import { keptSeriesList, monitorsOf, totalsRegistry } from '../../pipeline/index.js'
import { DeltaTable } from '../../table/index.js'
import { type Command, PROJECT_OPTIONS, wholeNumber } from '../command.js'

const LOOPBACK = ['127.0.0.1', '::1', 'localhost']

export const serve: Command = {
  name: 'serve',
  summary: "Serve the project's metrics, and Prometheus' read API over all it has kept.",
  usage: '',
  examples: ['sluice serve', 'sluice serve --port 9464', 'SLUICE_TOKEN=... sluice serve --host 0.0.0.0'],
  details: `/metrics is for a Prometheus to scrape; /api/v1 is for a Grafana that has none: give it this address as a Prometheus data source.
On any address but this machine's own a token is needed, in the environment as SLUICE_TOKEN.`,
  options: {
    ...PROJECT_OPTIONS,
    port: { type: 'string', value: 'N', help: 'default 9464; 0 takes a free one' },
    host: { type: 'string', value: 'ADDRESS', help: 'default 127.0.0.1' },
  },
  async run(invocation) {
    const port = wholeNumber(serve, invocation, 'port', 9464)
    if (port > 65_535) throw failure(USAGE_WRONG, { command: 'serve', problem: `There is no port ${port}.` })
    const host = invocation.text('host') ?? '127.0.0.1'
    const token = process.env['SLUICE_TOKEN'] || undefined
    if (!LOOPBACK.includes(host) && token === undefined) throw failure(SERVE_TOKEN_NEEDED, { host })
    const workspace = await invocation.workspace()
    const session = await workspace.connect()
    const monitors = monitorsOf(workspace.project)
    const samples = DeltaTable.at(`${workspace.lake}/_sluice/metric_samples`, { storage: workspace.storage, session })
    const version = async () => ((await samples.exists()) ? (await samples.snapshot()).version : -1)
    const ownProcess = new Registry()
    observeProcess(ownProcess)
    let kept: { version: number; answer: Promise<Awaited<ReturnType<typeof load>>> } | undefined
    const load = async () => {
      const journal = await openJournal(workspace.lake, workspace.storage, session)
      // As if this project had been scraped as one job, which is what generated dashboards ask for.
      const job = workspace.project.config.name
      const series = (await keptSeriesList(workspace, session)).map((one) => ({ ...one, labels: { ...one.labels, job } }))
      return { series, changes: seriesInMemory(series), registry: await totalsRegistry(workspace, journal) }
    }
    /** Read anew when something was added. */
    const current = async () => {
      const now = await version()
      if (kept?.version !== now) {
        const answer = load()
        kept = { version: now, answer }
        answer.catch(() => {
          kept = undefined
        })
      }
      return kept.answer
    }
    try {
      const { server, address } = await startServer({
        port,
        host,
        token,
        pages: new Map(
          monitoringFiles('prometheus', workspace.project).flatMap(({ path, text }) =>
            path.startsWith('runbooks/') ? [[`/${path.replace(/\.md$/, '')}`, text] as const] : [],
          ),
        ),
        about: `${workspace.project.config.name}: /metrics, /api/v1/query and its kin, /-/ready\n`,
        api: {
          groups: monitors.groups,
          help: monitors.metrics.map(({ definition: { name, kind, help } }) => ({ name, kind, help })),
          scrapeInterval: 15_000,
          kept: current,
          now: Date.now,
        },
        metrics: async () => {
          const { registry } = await current()
          return { collect: () => [...registry.collect(), ...ownProcess.collect()] } as typeof registry
        },
      }).catch((error: NodeJS.ErrnoException) => {
        if (['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'].includes(error.code ?? ''))
          throw failure(SERVE_ADDRESS_TAKEN, { address: `${host}:${port}`, problem: error.code ?? error.message }, { cause: error })
        throw error
      })
      if (invocation.output.json) invocation.output.document({ address })
      else invocation.output.print(`Serving ${workspace.project.config.name} on ${address}: /metrics and /api/v1. Ctrl-C ends it.`)
      await new Promise<void>((resolve) => invocation.signal.addEventListener('abort', () => resolve(), { once: true }))
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      return 0
    } finally {
      await session.close()
      await workspace.close()
    }
  },
}
