export { rawSql, type Sql, sql } from './engine/index.js'
export { type ErrorDocument, isSluiceError, SluiceError } from './errors/index.js'
export {
  append,
  type Dataset,
  dataset,
  defineProject,
  merge,
  overwrite,
  type ProjectConfig,
  type Row,
  type RunResult,
  replaceBy,
  type StepResult,
} from './pipeline/index.js'
export { expect } from './quality/index.js'
export { type Column, changed, column, env, Timestamp, variable, variables } from './schema/index.js'
export { download, files, firstGiven, generator, storeTable } from './sources/index.js'
export { firstConfigured } from './stores/index.js'
export { sync } from './sync/index.js'
