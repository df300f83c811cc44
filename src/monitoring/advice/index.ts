export * from './advice.js'
export { adviceFor, DATASET_ADVISERS, STORE_ADVISERS } from './advisers.js'
