import type { OpenStore, Store, StoreTable, StoreUsage } from '../stores/index.js'
import type { Project } from './project.js'
import type { Workspace } from './workspace.js'

/** The stores of a command, each opened once, on first use. */
export interface OpenStores {
  open(store: Store): Promise<OpenStore>
  /** What calls to an open store have met with since this was last asked; undefined where it does not say. */
  usage(store: Store): Promise<StoreUsage | undefined>
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
    async usage(store) {
      const now = (await opened.get(store)?.catch(() => undefined))?.usage?.()
      if (now === undefined) return undefined
      const before = told.get(store) ?? { retries: 0, waits: 0, waitedMs: 0 }
      told.set(store, now)
      return { ...now, retries: now.retries - before.retries, waits: now.waits - before.waits, waitedMs: now.waitedMs - before.waitedMs }
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
