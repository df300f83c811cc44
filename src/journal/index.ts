export * from './journal.js'
export * from './lease.js'
export * from './tables.js'
