export * from './prometheus-api.js'
export * from './server.js'
