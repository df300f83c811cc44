export * from './calibrate.js'
export * from './detect.js'
export {
  type Anomalies,
  type AnomaliesDefinition,
  anomalies,
  anomalyInputs,
  type FeatureRows,
  type FittedForest,
  type Given,
  isAnomalies,
  type Judged,
  type Method,
} from './detector.js'
export type { JudgeOptions } from './feature-rows.js'
export { type Forest, type ForestOptions, fitForest } from './forest.js'
export * from './forest-file.js'
export * from './iqr.js'
export * from './isolation-forest.js'
export { type MadOptions, mad } from './mad.js'
export * from './percentile.js'
export { type ScoringOptions, scoreForest } from './score-forest.js'
export * from './seasonal.js'
export * from './z-score.js'
