export * from './local.js'
export * from './memory.js'
export * from './storage.js'
