import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../engine/index.js'
import { messageOf } from '../errors/index.js'
import { emptyMonitorState, type Message, type MonitorState, Notifier, type Silence, send, takeTurn } from '../monitoring/index.js'
import type { SecretText } from '../observability/index.js'
import { isSecret, readSecret } from '../schema/index.js'
import { decodeText, encodeText } from '../storage/index.js'
import { monitorsOf } from './monitors.js'
import { keptSeries } from './watch.js'
import type { Workspace } from './workspace.js'

/** Watching a project: judge, tell, remember. */

export interface MonitorOptions {
  /** Milliseconds between turns. */
  readonly every: number
  /** One turn alone. */
  readonly once: boolean
  readonly runbookUrl?: string | undefined
  readonly signal: AbortSignal
  onTurn?(turn: {
    readonly at: number
    readonly firing: number
    readonly pending: number
    readonly told: readonly Message[]
    readonly problems: readonly string[]
  }): void
}

const statePath = (lake: string) => `${lake}/_sluice/monitor/state.json`
const silencesFolder = (lake: string) => `${lake}/_sluice/monitor/silences`

/** Judges all alerts at every turn and tells of them, until the signal aborts. What it must remember is in the lake, so another goes on from there. */
export async function monitor(workspace: Workspace, session: Session, options: MonitorOptions): Promise<MonitorState> {
  const monitors = monitorsOf(workspace.project)
  await workspace.storage.makeFolder(`${workspace.lake}/_sluice/monitor`)
  const turn = async (): Promise<MonitorState> => {
    const now = Date.now()
    const before = await monitorState(workspace)
    const changes = await keptSeries(workspace, session, { groups: monitors.groups, from: now })
    const { firing, pending, alerts } = takeTurn(monitors.groups, changes, before.alerts, now, { runbookUrl: options.runbookUrl })
    const notifier = new Notifier(monitors.notifications, structuredClone(before.notifier))
    const { messages, told } = notifier.due(firing, await silences(workspace), now)
    const problems: string[] = []
    const delivered: Message[] = []
    for (const message of messages) {
      const failures = await send(message, { folder: workspace.project.folder, secret: secretText })
      problems.push(...failures.map(messageOf))
      if (failures.length > 0) continue
      told(message)
      delivered.push(message)
    }
    const state: MonitorState = { format: 1, turnedAt: now, alerts, notifier: notifier.state, firing, pending }
    await workspace.storage.put(statePath(workspace.lake), encodeText(JSON.stringify(state)))
    options.onTurn?.({ at: now, firing: firing.length, pending: pending.length, told: delivered, problems })
    return state
  }
  for (;;) {
    const state = await turn().catch((error: unknown) => {
      if (options.once || options.signal.aborted) throw error
      // A disk that is full for a while must not end the watch.
      options.onTurn?.({ at: Date.now(), firing: 0, pending: 0, told: [], problems: [messageOf(error)] })
      return undefined
    })
    if (state !== undefined && (options.once || options.signal.aborted)) return state
    await sleep(options.every, undefined, { signal: options.signal }).catch(() => {})
    if (options.signal.aborted) return state ?? monitorState(workspace)
  }
}

function secretText(text: SecretText): string {
  return isSecret(text) ? readSecret(text) : String(text)
}

export async function monitorState(workspace: Workspace): Promise<MonitorState> {
  const bytes = await workspace.storage.read(statePath(workspace.lake))
  const state = bytes === undefined ? undefined : parsed<MonitorState>(bytes)
  // One that cannot be read is begun anew: some may be told of twice, and none is lost.
  return state?.format === 1 ? state : emptyMonitorState()
}

function parsed<Kept>(bytes: Uint8Array): Kept | undefined {
  try {
    return JSON.parse(decodeText(bytes)) as Kept
  } catch {
    return undefined
  }
}

/** Those that have not run out. */
export async function silences(workspace: Workspace): Promise<Silence[]> {
  const files = await workspace.storage.list(silencesFolder(workspace.lake))
  const all = await Promise.all(
    files
      .filter(({ name }) => name.endsWith('.json'))
      .map(({ name }) => workspace.storage.read(`${silencesFolder(workspace.lake)}/${name}`)),
  )
  const now = Date.now()
  return all.flatMap((bytes) => (bytes === undefined ? [] : (parsed<Silence>(bytes) ?? []))).filter(({ until }) => until > now)
}

export async function addSilence(workspace: Workspace, silence: Omit<Silence, 'id'>): Promise<Silence> {
  const one = { id: randomUUID().slice(0, 8), ...silence }
  await workspace.storage.makeFolder(silencesFolder(workspace.lake))
  await workspace.storage.put(`${silencesFolder(workspace.lake)}/${one.id}.json`, encodeText(JSON.stringify(one)))
  return one
}

/** Answers whether there was one. */
export async function removeSilence(workspace: Workspace, id: string): Promise<boolean> {
  const found = (await silences(workspace)).some((one) => one.id === id)
  if (found) await workspace.storage.remove(`${silencesFolder(workspace.lake)}/${id}.json`)
  return found
}
