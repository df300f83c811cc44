export type { Row, Session } from '../engine/index.js'
export { column, fieldsOf, Timestamp } from '../schema/index.js'
export { localStorage, type S3StorageOptions, type Storage, s3Storage } from '../storage/index.js'
export {
  addFiles,
  type Change,
  isNested,
  liveRows,
  removeFile,
  rowCount,
  scanFiles,
  type WriteTarget,
  type WrittenRows,
  writeRows,
} from './change.js'
export type { ChangesOptions } from './changes.js'
export type { CommitOptions, Committed } from './commit.js'
export { hasChecks } from './constraints.js'
export {
  DeltaTable,
  type DeltaTableOptions,
  type HistoryEntry,
  mayBeIn,
  type OverwriteOptions,
  type ReadOptions,
} from './delta-table.js'
export type { TableDiff } from './diff.js'
export type { Action, AddFile, CommitInfo, RemoveFile } from './log/actions.js'
export { appendWritten, prepareAppend, type RowInput } from './operations/append.js'
export { type Evolved, evolve } from './operations/columns.js'
export { created, type TableDefinition } from './operations/create.js'
export {
  type MergeChange,
  type MergeClause,
  type MergeClauses,
  type MergeValues,
  prepareMerge,
  requireUniqueKeys,
} from './operations/merge.js'
export type { OptimizeOptions } from './operations/optimize.js'
export { overwriteTarget, overwriteWritten, prepareOverwrite } from './operations/overwrite.js'
export { prepareDelete, prepareReplaceKeys, prepareReplaceWhere } from './operations/replace.js'
export { prepareRestore } from './operations/restore.js'
export { findTouched, rewrite } from './operations/rewrite.js'
export { prepareScd2, type Scd2Change, type Scd2Options } from './operations/scd2.js'
export type { Vacuumed, VacuumOptions } from './operations/vacuum.js'
export type { Snapshot } from './snapshot.js'
export { type FileStatistics, parseStatistics, type Range } from './statistics.js'
