export * from './catalog.js'
export * from './error.js'
export * from './suggest.js'
