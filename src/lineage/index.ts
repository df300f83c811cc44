export * from './graph.js'
export * from './render.js'
