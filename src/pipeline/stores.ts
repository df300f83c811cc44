import type { OpenStore, Store, StoreTable, StoreUsage } from '../stores/index.js'
import type { Project } from './project.js'
import type { Workspace } from './workspace.js'

/** The stores of a command, each opened once, on first use. */
export interface OpenStores {
  open(store: Store): Promise<OpenStore>
  /** What calls have met with since this was last asked; only stores of which there is something to tell. */
  usage(): Promise<{ readonly store: Store; readonly usage: StoreUsage }[]>
  close(): Promise<void>
}

export function openStores({ project, signal }: Pick<Workspace, 'project' | 'signal'>): OpenStores {
  const opened = new Map<Store, Promise<OpenStore>>()
  const told = new Map<Store, StoreUsage>()
  return {
    open(store) {
      const known = opened.get(store)
      if (known !== undefined) return known
      const opening = store.open({ projectFolder: project.folder, signal })
      // What failed to open may open when asked again.
      opening.catch(() => opened.delete(store))
      opened.set(store, opening)
      return opening
    },
    async usage() {
      const found: { store: Store; usage: StoreUsage }[] = []
      for (const [store, opening] of opened) {
        const now = (await opening.catch(() => undefined))?.usage?.()
        if (now === undefined) continue
        const before = told.get(store) ?? { retries: 0, waits: 0, waitedMs: 0 }
        told.set(store, now)
        const [retries, waits] = [now.retries - before.retries, now.waits - before.waits]
        if (retries === 0 && waits === 0) continue
        found.push({ store, usage: { connections: now.connections, retries, waits, waitedMs: now.waitedMs - before.waitedMs } })
      }
      return found
    },
    async close() {
      const all = await Promise.allSettled(opened.values())
      opened.clear()
      await Promise.all(all.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)))
    },
  }
}

/** The name under which sluice.config.ts has a store; without one, its kind. */
export function storeName(project: Project, store: Store): string {
  return Object.entries(project.config.stores ?? {}).find(([, one]) => one === store)?.[0] ?? store.kind
}

/** `warehouse.taxi_trips` */
export function tableLabel(project: Project, { store, name }: StoreTable): string {
  return `${storeName(project, store)}.${name}`
}
