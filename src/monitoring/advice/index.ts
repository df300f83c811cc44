export * from './advice.js'
export { ADVISERS, adviceFor } from './advisers.js'
