export * from './cause.js'
export * from './compare.js'
export * from './reconcile.js'
