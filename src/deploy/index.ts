export * from './monitoring.js'
