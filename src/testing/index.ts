export { type StorageConformance, storageConformance } from './storage.js'
