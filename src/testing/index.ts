export { type StorageConformance, storageConformance } from './storage.js'
export { type OpenedForTest, type StoreConformance, storeConformance } from './store.js'
