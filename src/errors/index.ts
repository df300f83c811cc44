export * from './catalog.js'
export * from './error.js'
export * from './secrets.js'
export * from './suggest.js'
