/** `sluice/stores`: what a store of one's own is made of. Its tests are `storeConformance` of `sluice/testing`. */

export { bucketOf, comparison, digester, misfit, readsAs, recast, sifter } from './cells.js'
export { type Guard, type GuardOptions, guard, type RetryOptions } from './guard.js'
export { decodeLine, decodeValue, encodeValue, escapeText, NULL, RowBatch, unescapeText } from './rows.js'
export * from './store.js'
