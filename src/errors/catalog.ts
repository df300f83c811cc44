import { define } from './error.js'
import { didYouMean } from './suggest.js'

// Usage: the command line.

export const USAGE_UNKNOWN_COMMAND = define<{ command: string; known: readonly string[] }>({
  code: 'USAGE_UNKNOWN_COMMAND',
  retry: 'terminal',
  exit: 2,
  message: ({ command }) => `There is no command "${command}".`,
  hint: ({ command, known }) => `${didYouMean(command, known)} \`sluice --help\` lists the commands.`,
})

export const USAGE_UNKNOWN_FLAG = define<{ flag: string; command: string; known: readonly string[] }>({
  code: 'USAGE_UNKNOWN_FLAG',
  retry: 'terminal',
  exit: 2,
  message: ({ flag, command }) => `\`sluice ${command}\` has no option "${flag}".`,
  hint: ({ flag, command, known }) => `${didYouMean(flag, known)} \`sluice ${command} --help\` lists its options.`,
})

export const USAGE_WRONG = define<{ command: string; problem: string }>({
  code: 'USAGE_WRONG',
  retry: 'terminal',
  exit: 2,
  message: ({ problem }) => problem,
  hint: ({ command }) => `\`sluice ${command} --help\` shows how it is called.`,
})

export const USAGE_FOLDER_NOT_EMPTY = define<{ folder: string }>({
  code: 'USAGE_FOLDER_NOT_EMPTY',
  retry: 'terminal',
  exit: 2,
  message: ({ folder }) => `${folder} already holds files; \`init\` does not write over them.`,
  hint: () => 'Name an empty or a new folder.',
})

// Project: finding it, loading it, what its definitions say.

export const PROJECT_NOT_FOUND = define<{ folder: string }>({
  code: 'PROJECT_NOT_FOUND',
  retry: 'terminal',
  exit: 2,
  message: ({ folder }) => `No sluice.config.ts in ${folder} or any folder above it.`,
  hint: () => 'Go to your project, name it with `--project DIR`, or start one with `sluice init`.',
})

export const PROJECT_FILE_INVALID = define<{ file: string; problem: string }>({
  code: 'PROJECT_FILE_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ file, problem }) => `${file} cannot be loaded: ${problem}`,
  hint: () => 'Mend the file at the place named, then run `sluice check`.',
})

export const PROJECT_CONFIG_MISSING = define<{ file: string }>({
  code: 'PROJECT_CONFIG_MISSING',
  retry: 'terminal',
  exit: 2,
  message: ({ file }) => `${file} does not export a project as its default.`,
  hint: () => 'End the file with `export default defineProject({ name, lake })`.',
})

export const PROJECT_NO_DATASETS = define<{ folder: string }>({
  code: 'PROJECT_NO_DATASETS',
  retry: 'terminal',
  exit: 2,
  message: ({ folder }) => `No dataset is defined in ${folder}.`,
  hint: () => "Export one from a file there: `export const trips = dataset('silver.trips', { ... })`.",
})

export const PROJECT_ENVIRONMENT_UNKNOWN = define<{ environment: string; known: readonly string[] }>({
  code: 'PROJECT_ENVIRONMENT_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ environment }) => `The project has no environment "${environment}".`,
  hint: ({ environment, known }) =>
    known.length === 0 ? 'Declare it under `environments` in sluice.config.ts.' : didYouMean(environment, known),
})

export const SECRET_NOT_SET = define<{ name: string }>({
  code: 'SECRET_NOT_SET',
  retry: 'terminal',
  exit: 2,
  message: ({ name }) => `The environment variable ${name} is not set.`,
  hint: ({ name }) => `Set it before the command: \`${name}=... sluice ...\`.`,
})

export const VARIABLE_UNKNOWN = define<{ name: string; known: readonly string[] }>({
  code: 'VARIABLE_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ name }) => `The project has no variable "${name}".`,
  hint: ({ name, known }) => (known.length === 0 ? 'Declare it with `variables({ ... })`.' : didYouMean(name, known)),
})

export const VARIABLE_INVALID = define<{ name: string; type: string; value: string }>({
  code: 'VARIABLE_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, type, value }) => `The variable "${name}" takes ${type}; "${value}" is not one.`,
  hint: ({ name }) => `Give another value: \`--var ${name}=...\`.`,
})

export const VARIABLE_NOT_SET = define<{ name: string }>({
  code: 'VARIABLE_NOT_SET',
  retry: 'terminal',
  exit: 2,
  message: ({ name }) => `The variable "${name}" has no value and no default.`,
  hint: ({ name }) => `Give it one: \`--var ${name}=...\`.`,
})

export const DATASET_DUPLICATE = define<{ name: string; first: string; second: string }>({
  code: 'DATASET_DUPLICATE',
  retry: 'terminal',
  exit: 2,
  message: ({ name, first, second }) => `Two datasets are called ${name}: one in ${first}, one in ${second}.`,
  hint: () => 'Rename or remove one of them.',
})

export const DATASET_INVALID = define<{ name: string; problem: string; advice: string }>({
  code: 'DATASET_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, problem }) => `${name}: ${problem}`,
  hint: ({ advice }) => advice,
})

export const DATASET_UNDEFINED = define<{ name: string; dataset: string }>({
  code: 'DATASET_UNDEFINED',
  retry: 'terminal',
  exit: 2,
  message: ({ name, dataset }) => `${dataset} reads ${name}, which no file in datasets/ exports.`,
  hint: () => 'Export that dataset from a file in datasets/.',
})

export const DATASET_CYCLE = define<{ path: readonly string[] }>({
  code: 'DATASET_CYCLE',
  retry: 'terminal',
  exit: 2,
  message: ({ path }) => `Datasets read each other in a circle: ${path.join(' -> ')}.`,
  hint: ({ path }) => `Take one of these reads out; a dataset cannot be made from itself. Start with ${path[0] ?? 'the first'}.`,
})

export const DATASET_COLUMN_UNKNOWN = define<{ dataset: string; column: string; where: string; known: readonly string[] }>({
  code: 'DATASET_COLUMN_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ dataset, column, where }) => `${dataset}: ${where} names the column "${column}", which it does not have.`,
  hint: ({ column, known }) => didYouMean(column, known),
})

export const DATASET_OUTPUT_MISMATCH = define<{ dataset: string; missing: readonly string[]; extra: readonly string[] }>({
  code: 'DATASET_OUTPUT_MISMATCH',
  retry: 'terminal',
  exit: 2,
  message: ({ dataset, missing, extra }) =>
    `The query of ${dataset} ${[
      missing.length > 0 ? `does not give the declared column ${missing.join(', ')}` : '',
      extra.length > 0 ? `gives ${extra.join(', ')}, which is not declared` : '',
    ]
      .filter((part) => part !== '')
      .join(' and ')}.`,
  hint: () => 'A query is matched to `columns` and `staged` by name: rename, add or declare the column.',
})

export const QUERY_INVALID = define<{ dataset: string; problem: string; near: string }>({
  code: 'QUERY_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ dataset, problem, near }) => `The SQL of ${dataset} is not valid${near === '' ? '' : ` near \`${near}\``}: ${problem}`,
  hint: () => 'Mend the SQL at the place named; `sluice plan` shows it as it runs.',
})

export const SELECTOR_UNKNOWN = define<{ selector: string; known: readonly string[] }>({
  code: 'SELECTOR_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ selector }) => `The selector "${selector}" matches no dataset.`,
  hint: ({ selector, known }) =>
    `${didYouMean(selector.replace(/^\+|\+$/g, ''), known)} Selectors: silver.trips, +gold.revenue, tag:hourly, layer:gold.`,
})

export const INTERVAL_INVALID = define<{ dataset: string; problem: string }>({
  code: 'INTERVAL_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ dataset, problem }) => `${dataset} cannot be run for an interval: ${problem}`,
  hint: () =>
    'An interval is `--from YYYY-MM-DD --to YYYY-MM-DD` (the end is not included), for datasets with a date or timestamp partition.',
})

export const SQL_VALUE_UNDEFINED = define<{ number: number }>({
  code: 'SQL_VALUE_UNDEFINED',
  retry: 'terminal',
  exit: 2,
  message: ({ number }) => `Value ${number} in this SQL is undefined.`,
  hint: () => 'When two files import each other, one of them is read before the other has made its dataset: let only one read the other.',
})

export const EXPECTATION_INVALID = define<{ expectation: string; problem: string }>({
  code: 'EXPECTATION_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ expectation, problem }) => `The expectation ${expectation}: ${problem}`,
  hint: () => '`mostly` takes the share of rows that must pass, 0 to 1.',
})

export const ENGINE_SETTING_WRONG = define<{ setting: string; value: string }>({
  code: 'ENGINE_SETTING_WRONG',
  retry: 'terminal',
  exit: 2,
  message: ({ setting, value }) => `The engine's ${setting} cannot be "${value}".`,
  hint: () => 'Memory is a size such as 512MB or 4GB, threads a whole number; in sluice.config.ts, or by SLUICE_MEMORY and SLUICE_THREADS.',
})

export const RUN_UNKNOWN = define<{ runId: string }>({
  code: 'RUN_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ runId }) => `There is no record of a run ${runId}.`,
  hint: () => '`sluice query --project DIR "..."` or the history in the report name the runs there are.',
})

// Engine.

export const ENGINE_FAILED = define<{ problem: string }>({
  code: 'ENGINE_FAILED',
  retry: 'terminal',
  exit: 3,
  message: ({ problem }) => `The engine could not run a statement: ${problem}`,
  hint: () => 'If the statement is yours, `sluice check` names its place; otherwise please report it with this message.',
})

export const ENGINE_SQL_INVALID = define<{ problem: string }>({
  code: 'ENGINE_SQL_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ problem }) => `The SQL is not valid: ${problem}`,
  hint: () => 'Mend the SQL at the place named.',
})

export const ENGINE_VALUE_INVALID = define<{ problem: string }>({
  code: 'ENGINE_VALUE_INVALID',
  retry: 'terminal',
  exit: 1,
  message: ({ problem }) => `A value does not fit its type: ${problem}`,
  hint: () => "Use try_cast in the query and an expectation with `otherwise('quarantine')`, so that the row is held instead.",
})

export const ENGINE_OUT_OF_MEMORY = define<{ problem: string }>({
  code: 'ENGINE_OUT_OF_MEMORY',
  retry: 'terminal',
  exit: 3,
  message: ({ problem }) => `The engine reached its memory limit: ${problem}`,
  hint: () => 'Raise `engine.memory` in sluice.config.ts or SLUICE_MEMORY, or give it a larger temporary folder.',
})

export const ENGINE_CANCELLED = define<object>({
  code: 'ENGINE_CANCELLED',
  retry: 'transient',
  exit: 75,
  message: () => 'The statement was cancelled.',
  hint: () => 'Run the command again; it continues from what is committed.',
})

export const ENGINE_FILE_UNREADABLE = define<{ problem: string }>({
  code: 'ENGINE_FILE_UNREADABLE',
  retry: 'terminal',
  exit: 1,
  message: ({ problem }) => `A file cannot be read: ${problem}`,
  hint: () => 'Check that the file is whole and of the format its name says.',
})

// Storage.

export const STORAGE_DENIED = define<{ path: string; problem: string }>({
  code: 'STORAGE_DENIED',
  retry: 'terminal',
  exit: 2,
  message: ({ path, problem }) => (isOnS3(path) ? `S3 refuses ${path}: ${problem}` : `${path} cannot be written: ${problem}`),
  hint: ({ path }) =>
    isOnS3(path)
      ? 'Check that the bucket is there, that the region and the endpoint are its own, and that your credentials may read and write it.'
      : 'Choose a folder that you may write with `--lake PATH` or `lake` in sluice.config.ts.',
})

export const STORAGE_FULL = define<{ path: string }>({
  code: 'STORAGE_FULL',
  retry: 'transient',
  exit: 75,
  message: ({ path }) => `The disk that holds ${path} is full.`,
  hint: () => 'Free some space and run again. What was committed stays; what was not has been taken away.',
})

export const STORAGE_FAILED = define<{ path: string; problem: string }>({
  code: 'STORAGE_FAILED',
  retry: 'transient',
  exit: 75,
  message: ({ path, problem }) => `${path}: ${problem}`,
  hint: ({ path }) => `Try again; if it stays, check ${isOnS3(path) ? 'the network and the server' : 'the disk'}.`,
})

export const STORAGE_UNSUPPORTED = define<{ location: string }>({
  code: 'STORAGE_UNSUPPORTED',
  retry: 'terminal',
  exit: 2,
  message: ({ location }) => `There is no storage for ${location}.`,
  hint: () => 'Use a folder on this machine.',
})

export const STORAGE_CLIENT_MISSING = define<{ storage: string; client: string }>({
  code: 'STORAGE_CLIENT_MISSING',
  retry: 'terminal',
  exit: 2,
  message: ({ storage, client }) => `The ${storage} storage needs the "${client}" package, which is not installed.`,
  hint: ({ client }) => `Run \`npm install ${client}\`, or pass a ready client as \`client\`.`,
})

export const STORAGE_FILE_MISSING = define<{ path: string }>({
  code: 'STORAGE_FILE_MISSING',
  retry: 'terminal',
  exit: 3,
  message: ({ path }) => `The data file ${path} is gone.`,
  hint: () => 'A vacuum takes away the files of old versions: read a newer one. If the newest version needs it, restore the file.',
})

function isOnS3(path: string): boolean {
  return path.startsWith('s3://')
}

// Tables.

export const TABLE_NOT_FOUND = define<{ path: string }>({
  code: 'TABLE_NOT_FOUND',
  retry: 'terminal',
  exit: 2,
  message: ({ path }) => `There is no Delta table at ${path}.`,
  hint: () => 'Check the path; a dataset has its table after its first run.',
})

export const TABLE_VERSION_NOT_FOUND = define<{ path: string; wanted: string; first: number; last: number }>({
  code: 'TABLE_VERSION_NOT_FOUND',
  retry: 'terminal',
  exit: 2,
  message: ({ path, wanted, first, last }) => `${path} has no version ${wanted}; it has ${first} to ${last}.`,
  hint: () => '`sluice table history` lists the versions with their times.',
})

export const TABLE_LOG_CORRUPT = define<{ path: string; problem: string }>({
  code: 'TABLE_LOG_CORRUPT',
  retry: 'terminal',
  exit: 3,
  message: ({ path, problem }) => `The Delta log of ${path} cannot be read: ${problem}`,
  hint: () => 'Restore the missing or damaged file of `_delta_log` from a backup.',
})

export const TABLE_FEATURE_UNSUPPORTED = define<{ path: string; features: readonly string[]; access: 'read' | 'write' }>({
  code: 'TABLE_FEATURE_UNSUPPORTED',
  retry: 'terminal',
  exit: 2,
  message: ({ path, features, access }) =>
    `${path} needs ${features.join(', ')} to be ${access === 'read' ? 'read' : 'written'}, which this version does not know.`,
  hint: () => 'Use the engine that wrote it, or take the feature off the table.',
})

export const TABLE_CONFLICT = define<{ path: string; version: number; problem: string }>({
  code: 'TABLE_CONFLICT',
  retry: 'transient',
  exit: 75,
  message: ({ path, version, problem }) => `Another writer committed version ${version} of ${path} first: ${problem}`,
  hint: () => 'Run again; the step starts from the new version.',
})

export const TABLE_COMMIT_UNKNOWN = define<{ path: string; version: number }>({
  code: 'TABLE_COMMIT_UNKNOWN',
  retry: 'transient',
  exit: 75,
  message: ({ path, version }) => `The storage failed while version ${version} of ${path} was written: it may be there, or not.`,
  hint: () => 'Look at the table once the storage answers. A write with a `txn` can simply be made again: it is applied once.',
})

export const TABLE_FILE_OUTSIDE = define<{ path: string; file: string }>({
  code: 'TABLE_FILE_OUTSIDE',
  retry: 'terminal',
  exit: 2,
  message: ({ path, file }) => `The log of ${path} names ${file}, which lies outside the table's folder.`,
  hint: () => 'A shallow clone does so. Where the log is trusted, allow it: `--outside`, or `{ outside: true }`.',
})

export const TABLE_FILE_MISSING = define<{ path: string; file: string; version: number }>({
  code: 'TABLE_FILE_MISSING',
  retry: 'terminal',
  exit: 3,
  message: ({ path, file, version }) => `Version ${version} of ${path} needs ${file}, which is not there.`,
  hint: () => 'VACUUM may have taken it away: read a newer version, or restore the file from a backup.',
})

export const TABLE_CONSTRAINT_BROKEN = define<{ path: string; constraint: string; expression: string }>({
  code: 'TABLE_CONSTRAINT_BROKEN',
  retry: 'terminal',
  exit: 1,
  message: ({ path, constraint, expression }) => `A new row of ${path} breaks its constraint ${constraint}: ${expression}`,
  hint: () => 'Hold such rows with an expectation, or mend them in the query.',
})

export const TABLE_VACUUM_RETENTION = define<{ path: string; hours: number; least: number }>({
  code: 'TABLE_VACUUM_RETENTION',
  retry: 'terminal',
  exit: 2,
  message: ({ path, hours, least }) =>
    `VACUUM of ${path} with ${hours} h would take files that readers and writers of the last ${least} h may still need.`,
  hint: () => 'Keep the retention, or, when nobody else uses the table, add --force.',
})

export const TABLE_CHANGE_INVALID = define<{ path: string; problem: string }>({
  code: 'TABLE_CHANGE_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ path, problem }) => `${path} cannot be changed so: ${problem}`,
  hint: () => 'The table is as it was.',
})

export const TABLE_SCHEMA_MISMATCH = define<{ path: string; problem: string }>({
  code: 'TABLE_SCHEMA_MISMATCH',
  retry: 'terminal',
  exit: 2,
  message: ({ path, problem }) => `The rows do not fit the table at ${path}: ${problem}`,
  hint: () => 'Change the definition back, or rebuild the table with `sluice run --full-refresh`.',
})

export const TABLE_NULL_REFUSED = define<{ path: string; column: string; rows: number }>({
  code: 'TABLE_NULL_REFUSED',
  retry: 'terminal',
  exit: 1,
  message: ({ path, column, rows }) =>
    `The column "${column}" of ${path} may not be null${rows > 0 ? `, and is in ${rows} of the new rows` : ''}.`,
  hint: ({ column }) => `Add expect.column('${column}').notNull().otherwise('quarantine'), so that such rows are held.`,
})

export const TABLE_KEYS_REPEAT = define<{ path: string; keys: readonly string[]; rows: number; example: string }>({
  code: 'TABLE_KEYS_REPEAT',
  retry: 'terminal',
  exit: 1,
  message: ({ path, keys, rows, example }) =>
    `MERGE into ${path} needs one row for each ${keys.join(', ')}; ${rows} keys repeat or are null (for example ${example}).`,
  hint: ({ keys }) =>
    `Add expect.unique(${keys.map((key) => `'${key}'`).join(', ')}).otherwise('quarantine'), or keep one row a key in the query.`,
})

export const TABLE_COLUMN_NAME_INVALID = define<{ column: string }>({
  code: 'TABLE_COLUMN_NAME_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ column }) => `A Delta table cannot have a column named "${column}".`,
  hint: () => 'Leave out spaces and any of , ; { } ( ) = and line breaks, and do not use a name twice in other case.',
})

export const TABLE_OUTSIDE_PREDICATE = define<{ path: string; predicate: string }>({
  code: 'TABLE_OUTSIDE_PREDICATE',
  retry: 'terminal',
  exit: 1,
  message: ({ path, predicate }) => `replaceWhere on ${path}: some of the new rows lie outside \`${predicate}\`.`,
  hint: () => 'Write only rows that the predicate covers, or widen it.',
})

export const TABLE_APPEND_ONLY = define<{ path: string }>({
  code: 'TABLE_APPEND_ONLY',
  retry: 'terminal',
  exit: 2,
  message: ({ path }) => `${path} is append-only (delta.appendOnly); its rows cannot be replaced or deleted.`,
  hint: () => 'Take the property off the table if that is meant.',
})

// Sources.

export const SOURCE_NOT_FOUND = define<{ path: string }>({
  code: 'SOURCE_NOT_FOUND',
  retry: 'terminal',
  exit: 2,
  message: ({ path }) => `No file matches ${path}.`,
  hint: () => 'Check the path or the glob; on the command line it is relative to the current folder, in a definition to the project.',
})

export const SOURCE_FORMAT_UNKNOWN = define<{ path: string }>({
  code: 'SOURCE_FORMAT_UNKNOWN',
  retry: 'terminal',
  exit: 1,
  message: ({ path }) => `${path}: its name does not say what format it has.`,
  hint: () =>
    'Files are read as .csv, .tsv, .jsonl, .ndjson or .parquet (with .gz or .zst after a text format); or say `format` in files().',
})

export const SOURCE_FILE_UNREADABLE = define<{ path: string; problem: string }>({
  code: 'SOURCE_FILE_UNREADABLE',
  retry: 'terminal',
  exit: 1,
  message: ({ path, problem }) => `${path} cannot be read: ${problem}`,
  hint: () => 'Put a whole file in its place; it is tried again when it has changed. Nothing of it was written.',
})

export const SOURCE_FILE_EMPTY = define<{ path: string; found: string }>({
  code: 'SOURCE_FILE_EMPTY',
  retry: 'terminal',
  exit: 1,
  message: ({ path, found }) => `${path} ${found}.`,
  hint: () => "Put a file with rows in its place, take it away, or allow it with files(..., { empty: 'take' }).",
})

export const SOURCE_FILE_UNACCOUNTED = define<{ path: string; records: number; rows: number }>({
  code: 'SOURCE_FILE_UNACCOUNTED',
  retry: 'terminal',
  exit: 1,
  message: ({ path, records, rows }) => `${path} holds ${records} records, but ${rows} rows were read from it. Nothing of it was written.`,
  hint: () => 'Look for quotes or line endings that are out of the ordinary; if there are none, please report it with the file.',
})

export const SOURCE_FILE_CHANGED = define<{ path: string }>({
  code: 'SOURCE_FILE_CHANGED',
  retry: 'terminal',
  exit: 1,
  message: ({ path }) => `${path} has changed since its rows were taken.`,
  hint: () => "Give the new file another name, or let its rows be replaced with files(..., { changed: 'replace' }).",
})

export const SOURCE_DRIFT_REFUSED = define<{ path: string; column: string; change: string; expected: string; arrived: string }>({
  code: 'SOURCE_DRIFT_REFUSED',
  retry: 'terminal',
  exit: 1,
  message: ({ path, column, change, expected, arrived }) =>
    `${path}: the column "${column}" is ${change} (expected ${expected}, arrived ${arrived}).`,
  hint: ({ change }) => `Declare the column as it arrives, or choose another policy: files(..., { drift: { ${change}: 'evolve' } }).`,
})

export const SOURCE_KINDS_MIXED = define<{ dataset: string; held: string; arriving: string }>({
  code: 'SOURCE_KINDS_MIXED',
  retry: 'terminal',
  exit: 2,
  message: ({ dataset, held, arriving }) => `${dataset} holds ${held} rows; ${arriving} rows are not added to them.`,
  hint: () => 'Use another lake with `--lake PATH`, or start this one over with `--full-refresh`.',
})

export const SOURCE_ADDRESS_WRONG = define<{ url: string; problem: string }>({
  code: 'SOURCE_ADDRESS_WRONG',
  retry: 'terminal',
  exit: 2,
  message: ({ url, problem }) => `${url} cannot be downloaded: ${problem}`,
  hint: () => 'Check the address, and the variables that it is made of.',
})

export const SOURCE_UNREACHABLE = define<{ url: string; problem: string; path: string }>({
  code: 'SOURCE_UNREACHABLE',
  retry: 'transient',
  exit: 75,
  message: ({ url, problem }) => `${url} cannot be downloaded: ${problem}`,
  hint: ({ path }) => `Try again later (it resumes), or put the file at ${path} yourself.`,
})

export const SOURCE_NOT_GIVEN = define<{ dataset: string; variables: readonly string[]; environment?: string }>({
  code: 'SOURCE_NOT_GIVEN',
  retry: 'terminal',
  exit: 2,
  message: ({ dataset }) => `${dataset} does not know where its rows come from.`,
  hint: ({ variables, environment }) => {
    const ways = variables.map((name) => `\`--var ${name}=...\``)
    if (ways.length === 0) return `Set ${environment ?? 'the environment variable of its store'}.`
    return `Give ${[...ways, ...(environment === undefined ? [] : [`the environment variable ${environment}`])].join(' or ')}.`
  },
})

export const SOURCE_CURSOR_INVALID = define<{ table: string; cursor: string; problem: string }>({
  code: 'SOURCE_CURSOR_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ table, cursor, problem }) => `${table} cannot be read by "${cursor}": ${problem}.`,
  hint: () => 'Name a column of whole numbers or times that every row has, or leave `cursor` out to read the table in full.',
})

// Gate and quarantine.

export const GATE_FAILED = define<{
  dataset: string
  expectations: readonly { readonly name: string; readonly failed: number; readonly evaluated: number }[]
}>({
  code: 'GATE_FAILED',
  retry: 'terminal',
  exit: 1,
  message: ({ dataset, expectations }) =>
    `${dataset} was not published: ${expectations.map((e) => `${e.name} failed for ${e.failed} of ${e.evaluated}`).join('; ')}.`,
  hint: ({ dataset }) => `Its table and quarantine are as they were. Mend the input or the expectation, then \`sluice run ${dataset}\`.`,
})

export const GATE_UNBALANCED = define<{ dataset: string; rowsIn: number; rowsAccepted: number; rowsQuarantined: number }>({
  code: 'GATE_UNBALANCED',
  retry: 'terminal',
  exit: 3,
  message: ({ dataset, rowsIn, rowsAccepted, rowsQuarantined }) =>
    `${dataset}: ${rowsIn} rows in are not ${rowsAccepted} accepted and ${rowsQuarantined} quarantined. Nothing was published.`,
  hint: () => 'A query that gives other rows each time it runs (random(), now()) causes this; otherwise please report it.',
})

export const QUARANTINE_QUERY_CHANGED = define<{ dataset: string }>({
  code: 'QUARANTINE_QUERY_CHANGED',
  retry: 'terminal',
  exit: 2,
  message: ({ dataset }) =>
    `The query or columns of ${dataset} changed since its rows were held, so they cannot be judged again as they are.`,
  hint: ({ dataset }) => `Run \`sluice run ${dataset} --full-refresh\`; it replaces the table and the open quarantine.`,
})

// Run.

export const LEASE_HELD = define<{ lake: string; holder: string }>({
  code: 'LEASE_HELD',
  retry: 'transient',
  exit: 75,
  message: ({ lake, holder }) => `Another process writes to ${lake}: ${holder}.`,
  hint: () => 'Wait until it has finished, then run again.',
})

export const LEASE_LOST = define<{ lake: string }>({
  code: 'LEASE_LOST',
  retry: 'transient',
  exit: 75,
  message: ({ lake }) => `This process no longer holds the lease on ${lake}; another has taken it. Nothing more was written.`,
  hint: () => 'Run again. This happens when a process was stopped for longer than the lease lasts.',
})

export const RUN_CANCELLED = define<object>({
  code: 'RUN_CANCELLED',
  retry: 'transient',
  exit: 75,
  message: () => 'The run was cancelled.',
  hint: () => 'Run again; it continues from what is committed.',
})

export const STEP_BLOCKED = define<{ dataset: string; by: string }>({
  code: 'STEP_BLOCKED',
  retry: 'terminal',
  exit: 1,
  message: ({ dataset, by }) => `${dataset} did not run, because ${by} failed.`,
  hint: ({ by }) => `Mend ${by}; the next run continues here.`,
})

export const JOURNAL_VERSION_NEWER = define<{ path: string; found: number; known: number }>({
  code: 'JOURNAL_VERSION_NEWER',
  retry: 'terminal',
  exit: 2,
  message: ({ path, found, known }) => `The journal at ${path} has format ${found}; this version of Sluice knows up to ${known}.`,
  hint: () => 'Use the newer Sluice that wrote it.',
})

export const UNEXPECTED = define<{ problem: string }>({
  code: 'UNEXPECTED',
  retry: 'terminal',
  exit: 3,
  message: ({ problem }) => `Something went wrong inside Sluice: ${problem}`,
  hint: () => 'Please report it, with what SLUICE_DEBUG=1 shows.',
})

// Observability

export const METRIC_INVALID = define<{ name: string; problem: string; advice: string }>({
  code: 'METRIC_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, problem }) => `The metric "${name}" is wrong: ${problem}.`,
  hint: ({ advice }) => advice,
})

export const METRIC_VALUE_INVALID = define<{ name: string; value: string; problem: string }>({
  code: 'METRIC_VALUE_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, value, problem }) => `The metric "${name}" cannot take ${value}: ${problem}.`,
  hint: () => 'A counter only grows; a label says one of its listed values.',
})

export const DURATION_INVALID = define<{ text: string }>({
  code: 'DURATION_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ text }) => `"${text}" is no length of time.`,
  hint: () => 'Write a number and a unit: 30s, 5m, 1h, 7d, 2w.',
})

export const SIGNAL_INVALID = define<{ signal: string; problem: string; advice: string }>({
  code: 'SIGNAL_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ signal, problem }) => `The signal on ${signal} is wrong: ${problem}.`,
  hint: ({ advice }) => advice,
})

export const ALERT_INVALID = define<{ name: string; problem: string; advice: string }>({
  code: 'ALERT_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, problem }) => `The alert "${name}" is wrong: ${problem}.`,
  hint: ({ advice }) => advice,
})

// Observability: PromQL and its evaluation.

export const PROMQL_INVALID = define<{ problem: string; line: number; column: number; offset: number }>({
  code: 'PROMQL_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ problem, line, column }) => `The query is not PromQL: ${problem}, at line ${line}, column ${column}.`,
  hint: () => 'Mend the query at that place.',
})

export const PROMQL_UNSUPPORTED = define<{ feature: string; line: number; column: number; offset: number }>({
  code: 'PROMQL_UNSUPPORTED',
  retry: 'terminal',
  exit: 2,
  message: ({ feature, line, column }) => `The query has ${feature} at line ${line}, column ${column}, which Sluice does not evaluate.`,
  hint: () => 'Write the query without it, or ask a Prometheus that scrapes these metrics.',
})

export const QUERY_MATCHING = define<{ problem: string; labels: string }>({
  code: 'QUERY_MATCHING',
  retry: 'terminal',
  exit: 2,
  message: ({ problem, labels }) => `The query has no single answer: ${problem} ${labels}.`,
  hint: () => 'Aggregate with `sum by (...)` or match with `on (...)`, so that each set of labels names one series.',
})

export const QUERY_RANGE_INVALID = define<{ problem: string }>({
  code: 'QUERY_RANGE_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ problem }) => `The query's time range cannot be evaluated: ${problem}.`,
  hint: () => 'Give a start that is not after the end, and a step above 0.',
})

// Observability: what is sent to a Pushgateway or by OTLP.

export const PUSH_FAILED = define<{ url: string; problem: string }>({
  code: 'PUSH_FAILED',
  retry: 'transient',
  exit: 75,
  message: ({ url, problem }) => `${url} did not take what was sent: ${problem}`,
  hint: () => 'See that it runs and can be reached from here, then send again.',
})

export const PUSH_REFUSED = define<{ url: string; problem: string }>({
  code: 'PUSH_REFUSED',
  retry: 'terminal',
  exit: 2,
  message: ({ url, problem }) => `${url} refuses what was sent: ${problem}`,
  hint: () => 'Mend what it names; sent again, the same would be refused again.',
})

export const ALERT_TEMPLATE_UNKNOWN = define<{ action: string }>({
  code: 'ALERT_TEMPLATE_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ action }) => `A text of an alert has {{ ${action} }}, which only Prometheus itself could fill in.`,
  hint: () => 'Use {{ $labels.name }}, {{ $value }}, or {{ $value | humanize }}, humanize1024, humanizeDuration, humanizePercentage.',
})

export const SLO_INVALID = define<{ name: string; problem: string; advice: string }>({
  code: 'SLO_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, problem }) => `The objective "${name}" is wrong: ${problem}.`,
  hint: ({ advice }) => advice,
})

export const RECEIVER_SECRET_MISPLACED = define<{ receiver: string; field: string; advice: string }>({
  code: 'RECEIVER_SECRET_MISPLACED',
  retry: 'terminal',
  exit: 2,
  message: ({ receiver, field }) =>
    `Alertmanager cannot read the ${field} of the receiver "${receiver}" from a file, and a secret is not written out.`,
  hint: ({ advice }) => advice,
})

export const DASHBOARD_INVALID = define<{ name: string; problem: string; advice: string }>({
  code: 'DASHBOARD_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, problem }) => `The dashboard "${name}" is wrong: ${problem}.`,
  hint: ({ advice }) => advice,
})

export const ALERT_TEST_INVALID = define<{ values: string; word: string }>({
  code: 'ALERT_TEST_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ values, word }) => `"${word}" in "${values}" is no value of a test's series.`,
  hint: () => 'Write 0x5 for 0 and five more times 0, 0+10x3 for 0 10 20 30, _ for none, stale where the series ends.',
})

export const SERVE_TOKEN_NEEDED = define<{ host: string }>({
  code: 'SERVE_TOKEN_NEEDED',
  retry: 'terminal',
  exit: 2,
  message: ({ host }) => `On ${host} others can reach it, and there is no token.`,
  hint: () => 'Set SLUICE_TOKEN to a long secret, or leave out --host to serve this machine alone.',
})

export const SERVE_ADDRESS_TAKEN = define<{ address: string; problem: string }>({
  code: 'SERVE_ADDRESS_TAKEN',
  retry: 'terminal',
  exit: 3,
  message: ({ address, problem }) => `${address} cannot be listened on (${problem}).`,
  hint: () => 'Choose another with --port; --port 0 takes a free one.',
})

export const NOTIFY_FAILED = define<{ receiver: string; problem: string }>({
  code: 'NOTIFY_FAILED',
  retry: 'transient',
  exit: 75,
  message: ({ receiver, problem }) => `The receiver "${receiver}" could not be told: ${problem}`,
  hint: () => 'It is tried again at the next turn. Is the address right, and does it answer from here?',
})

export const CHANNEL_CLIENT_MISSING = define<{ channel: string; client: string }>({
  code: 'CHANNEL_CLIENT_MISSING',
  retry: 'terminal',
  exit: 2,
  message: ({ channel, client }) => `Notices by ${channel} need the "${client}" package, which is not installed.`,
  hint: ({ client }) => `Run \`npm install ${client}\`.`,
})

export const SILENCE_UNKNOWN = define<{ id: string; known: readonly string[] }>({
  code: 'SILENCE_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ id }) => `There is no silence "${id}".`,
  hint: ({ id, known }) => `${didYouMean(id, known)} \`sluice monitor status\` lists them.`,
})

export const GENERATED_STALE = define<{ files: string; command: string }>({
  code: 'GENERATED_STALE',
  retry: 'terminal',
  exit: 1,
  message: ({ files }) => `Not as the definitions have it: ${files}.`,
  hint: ({ command }) => `Run \`${command}\` and check in what it writes.`,
})

// Observability: what a project's `monitors/` say together.

export const MONITOR_DUPLICATE = define<{ kind: string; name: string; advice: string }>({
  code: 'MONITOR_DUPLICATE',
  retry: 'terminal',
  exit: 2,
  message: ({ kind, name }) => `There is more than one ${kind} called "${name}".`,
  hint: ({ advice }) => advice,
})

export const MONITOR_DATASET_UNKNOWN = define<{ alert: string; dataset: string; known: readonly string[] }>({
  code: 'MONITOR_DATASET_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ alert, dataset }) => `${alert} is tuned or silenced for "${dataset}", and no dataset is called that.`,
  hint: ({ dataset, known }) => `${didYouMean(dataset, known)} Datasets are named in full, layer first.`.trim(),
})

export const NOTIFICATIONS_SEVERAL = define<{ count: number }>({
  code: 'NOTIFICATIONS_SEVERAL',
  retry: 'terminal',
  exit: 2,
  message: ({ count }) => `monitors/ exports ${count} notifications(...), and only one can hold.`,
  hint: () => 'Make one of them, with several routes.',
})

// Observability: advice

export const ADVICE_NO_SPACE = define<{ dataset: string; folder: string; needed: string; free: string }>({
  code: 'ADVICE_NO_SPACE',
  retry: 'terminal',
  exit: 3,
  message: ({ dataset, folder, needed, free }) => `Trying the advice on a copy of ${dataset} takes ${needed}; ${folder} has ${free} left.`,
  hint: () => 'Set TMPDIR to a folder with more room, or leave out --try.',
})

export const GENERATED_FOLDER_UNUSABLE = define<{ folder: string; problem: string }>({
  code: 'GENERATED_FOLDER_UNUSABLE',
  retry: 'terminal',
  exit: 3,
  message: ({ folder, problem }) => `Files cannot be generated into ${folder}: ${problem}.`,
  hint: () => 'Name another folder with --out, or make this one writable.',
})

// Stores: databases outside the lake

export const STORE_CLIENT_MISSING = define<{ store: string; client: string }>({
  code: 'STORE_CLIENT_MISSING',
  retry: 'terminal',
  exit: 2,
  message: ({ store, client }) => `The ${store} store needs the "${client}" package, which is not installed.`,
  hint: ({ client }) => `Run \`npm install ${client}\`, or pass a ready client as \`client\`.`,
})

export const STORE_URL_INVALID = define<{ store: string; problem: string; example: string }>({
  code: 'STORE_URL_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ store, problem }) => `The address of the ${store} store is not valid: ${problem}.`,
  hint: ({ example }) => `It is written ${example}.`,
})

export const STORE_UNREACHABLE = define<{ store: string; problem: string }>({
  code: 'STORE_UNREACHABLE',
  retry: 'transient',
  exit: 75,
  message: ({ store, problem }) => `There is no connection to ${store}: ${problem}.`,
  hint: () => 'See that the server is up and its address right, then run the command again: it goes on where it stopped.',
})

export const STORE_BUSY = define<{ store: string; problem: string }>({
  code: 'STORE_BUSY',
  retry: 'transient',
  exit: 75,
  message: ({ store, problem }) => `${store} did not take the request: ${problem}.`,
  hint: () =>
    'Run the command again: it goes on where it stopped. If it stays so, lower `pool` or `parallel`, or raise the limits of the server.',
})

export const STORE_TIMEOUT = define<{ store: string; milliseconds: number }>({
  code: 'STORE_TIMEOUT',
  retry: 'transient',
  exit: 75,
  message: ({ store, milliseconds }) => `${store} did not answer within ${milliseconds} ms.`,
  hint: () => 'Run the command again, with a longer `timeout` in the options of the store where its statements take long.',
})

export const STORE_CIRCUIT_OPEN = define<{ store: string; failures: number }>({
  code: 'STORE_CIRCUIT_OPEN',
  retry: 'transient',
  exit: 75,
  message: ({ store, failures }) => `${store} is not asked for now: the last ${failures} calls failed, each after all its attempts.`,
  hint: () => 'Wait a moment, see that the server is up, and run the command again.',
})

export const STORE_FULL = define<{ store: string; problem: string }>({
  code: 'STORE_FULL',
  retry: 'transient',
  exit: 75,
  message: ({ store, problem }) => `${store} has no room left: ${problem}.`,
  hint: () => 'Make room on the disk of the server, then run the command again: it goes on where it stopped.',
})

export const STORE_DENIED = define<{ store: string; problem: string }>({
  code: 'STORE_DENIED',
  retry: 'terminal',
  exit: 2,
  message: ({ store, problem }) => `${store} lets us not do that: ${problem}.`,
  hint: () => 'See that user, password and database are right, and that the user has the rights.',
})

export const STORE_FAILED = define<{ store: string; problem: string }>({
  code: 'STORE_FAILED',
  retry: 'terminal',
  exit: 3,
  message: ({ store, problem }) => `${store} failed: ${problem}.`,
  hint: () => 'Its own log may say more.',
})

export const STORE_STATEMENT_FAILED = define<{ store: string; number: number; statement: string; problem: string }>({
  code: 'STORE_STATEMENT_FAILED',
  retry: 'terminal',
  exit: 2,
  message: ({ store, number, statement, problem }) => `${store} refused statement ${number}, \`${statement}\`: ${problem}.`,
  hint: () => 'Mend the statement.',
})

export const STORE_TABLE_MISSING = define<{ store: string; table: string }>({
  code: 'STORE_TABLE_MISSING',
  retry: 'terminal',
  exit: 2,
  message: ({ store, table }) => `${store} has no table "${table}".`,
  hint: () => 'Run `sluice migrate up`, or `sluice sync`, which makes the tables that it fills.',
})

export const STORE_TABLE_UNFIT = define<{ store: string; table: string; problem: string; advice: string }>({
  code: 'STORE_TABLE_UNFIT',
  retry: 'terminal',
  exit: 2,
  message: ({ store, table, problem }) => `The table "${table}" of ${store} does not fit: ${problem}.`,
  hint: ({ advice }) => advice,
})

export const STORE_TYPE_UNSUPPORTED = define<{ store: string; column: string; type: string; advice: string }>({
  code: 'STORE_TYPE_UNSUPPORTED',
  retry: 'terminal',
  exit: 2,
  message: ({ store, column, type }) => `The ${store} store cannot keep "${column}" without loss: it is ${type}.`,
  hint: ({ advice }) => advice,
})

export const STORE_CAPABILITY_MISSING = define<{ store: string; what: string }>({
  code: 'STORE_CAPABILITY_MISSING',
  retry: 'terminal',
  exit: 2,
  message: ({ store, what }) => `${store} cannot ${what}.`,
  hint: () => 'Use a store that can; docs/stores.md says what each can do.',
})

export const STORE_LOCK_HELD = define<{ store: string; lock: string }>({
  code: 'STORE_LOCK_HELD',
  retry: 'transient',
  exit: 75,
  message: ({ store, lock }) => `Another process holds the lock "${lock}" of ${store}.`,
  hint: () => 'Wait for it to end, then run the command again.',
})

// Syncs

export const SYNC_INVALID = define<{ name: string; problem: string; advice: string }>({
  code: 'SYNC_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, problem }) => `The sync "${name}" is not valid: ${problem}.`,
  hint: ({ advice }) => advice,
})

export const SYNC_UNKNOWN = define<{ name: string; known: readonly string[] }>({
  code: 'SYNC_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ name, known }) => (known.length === 0 ? `There is no sync "${name}": the project has none.` : `There is no sync "${name}".`),
  hint: ({ name, known }) =>
    known.length === 0
      ? 'Export one from a file in `syncs/`: `sync(dataset, { to: store.table(...) })`.'
      : `${didYouMean(name, known)} Syncs: ${known.join(', ')}.`,
})

export const SYNC_DUPLICATE = define<{ name: string }>({
  code: 'SYNC_DUPLICATE',
  retry: 'terminal',
  exit: 2,
  message: ({ name }) => `There is more than one sync called "${name}".`,
  hint: () => 'Give one of them another `name`.',
})

export const SYNC_SOURCE_MISSING = define<{ name: string; source: string; advice: string }>({
  code: 'SYNC_SOURCE_MISSING',
  retry: 'terminal',
  exit: 2,
  message: ({ name, source }) => `The sync "${name}" has nothing to copy: ${source} has no table yet.`,
  hint: ({ advice }) => advice,
})

export const SYNC_KEY_NOT_UNIQUE = define<{ name: string; key: string; example: string }>({
  code: 'SYNC_KEY_NOT_UNIQUE',
  retry: 'terminal',
  exit: 1,
  message: ({ name, key, example }) => `The sync "${name}" goes by ${key}, and several rows of its source have ${example}.`,
  hint: () => 'Name a key that tells rows apart, or have the dataset keep one row for each: `write: merge()`, or `expect.unique(...)`.',
})

export const SYNC_CYCLE = define<{ path: string }>({
  code: 'SYNC_CYCLE',
  retry: 'terminal',
  exit: 2,
  message: ({ path }) => `Syncs go round in a circle: ${path}.`,
  hint: () => 'Let one table be the one that all others follow.',
})

export const RECONCILE_INVALID = define<{ problem: string }>({
  code: 'RECONCILE_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ problem }) => `This cannot be reconciled so: ${problem}.`,
  hint: () => 'Run `sluice reconcile --help` to see what goes together.',
})

// Migrations and SQL tests

export const MIGRATION_INVALID = define<{ file: string; problem: string }>({
  code: 'MIGRATION_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ file, problem }) => `The migration ${file} is not valid: ${problem}.`,
  hint: () => 'Migrations are files like sql/migrations/<store>/001_first.sql, with numbers of their own; `-- up` and `-- down` part them.',
})

export const MIGRATION_CHANGED = define<{ migrations: string }>({
  code: 'MIGRATION_CHANGED',
  retry: 'terminal',
  exit: 2,
  message: ({ migrations }) => `Migrations that were applied are no longer as they were: ${migrations}.`,
  hint: () => 'Put the files back as they were applied, and say what is to be different in a new migration.',
})

export const MIGRATION_FAILED = define<{ file: string; number: number; line: number; server: string; problem: string; advice: string }>({
  code: 'MIGRATION_FAILED',
  retry: 'terminal',
  exit: 3,
  message: ({ file, number, line, server, problem }) => `Statement ${number} of ${file}, line ${line}, failed on ${server}: ${problem}`,
  hint: ({ advice }) => advice,
})

export const MIGRATION_PENDING = define<{ count: number; migrations: string }>({
  code: 'MIGRATION_PENDING',
  retry: 'terminal',
  exit: 1,
  message: ({ count, migrations }) => `${count} migrations are not applied: ${migrations}.`,
  hint: () => 'Run `sluice migrate up`.',
})

export const SQL_TEST_INVALID = define<{ file: string; test: string; problem: string }>({
  code: 'SQL_TEST_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ file, test, problem }) => `The test "${test}" of ${file} is not valid: ${problem}.`,
  hint: () => 'A test is one statement below `-- test: its name`, with `-- expect: no rows`, `-- uses: index_name` or `-- show`.',
})

export const STORE_UNKNOWN = define<{ name: string; known: readonly string[] }>({
  code: 'STORE_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ name }) => `The project has no store "${name}".`,
  hint: ({ name, known }) =>
    known.length === 0 ? 'Name one under `stores` in sluice.config.ts.' : `${didYouMean(name, known)} Stores: ${known.join(', ')}.`,
})

// Anomalies

export const ANOMALIES_INVALID = define<{ name: string; problem: string; advice: string }>({
  code: 'ANOMALIES_INVALID',
  retry: 'terminal',
  exit: 2,
  message: ({ name, problem }) => `${name}: ${problem}`,
  hint: ({ advice }) => advice,
})

export const FOREST_UNREADABLE = define<{ problem: string }>({
  code: 'FOREST_UNREADABLE',
  retry: 'terminal',
  exit: 3,
  message: ({ problem }) => `The bytes of a saved isolation forest cannot be read: ${problem}.`,
  hint: () => 'Fit it again, and save what encodeForest gives.',
})

export const FOREST_COLUMNS_DIFFER = define<{ wanted: string; given: string }>({
  code: 'FOREST_COLUMNS_DIFFER',
  retry: 'terminal',
  exit: 2,
  message: ({ wanted, given }) => `The isolation forest was fitted on ${wanted}, and is given ${given}.`,
  hint: () => 'Give it the columns that it was fitted on, in their order, or fit it again.',
})

export const FOREST_THREAD_FAILED = define<{ problem: string }>({
  code: 'FOREST_THREAD_FAILED',
  retry: 'terminal',
  exit: 3,
  message: ({ problem }) => `A thread that scores an isolation forest failed: ${problem}.`,
  hint: () => 'With one thread the forest is scored without others: `threads: 1`.',
})

export const SYNC_MOSTLY_REFUSED = define<{ name: string; refused: number; sent: number; reason: string }>({
  code: 'SYNC_MOSTLY_REFUSED',
  retry: 'terminal',
  exit: 1,
  message: ({ name, refused, sent, reason }) =>
    `The sync "${name}" was stopped: its target refused ${refused} of ${sent} rows, the first of them because ${reason}.`,
  hint: () => 'Give the target columns that take the values, or leave those columns out with `except`; then run it again.',
})

export const SYNC_POOL_TOO_SMALL = define<{ name: string; store: string }>({
  code: 'SYNC_POOL_TOO_SMALL',
  retry: 'terminal',
  exit: 2,
  message: ({ name, store }) =>
    `The sync "${name}" reads and writes ${store}, which has one connection: what is read could never be written.`,
  hint: () => 'Give the store `pool: 2`, or more.',
})

export const ANOMALIES_UNKNOWN = define<{ name: string; known: readonly string[] }>({
  code: 'ANOMALIES_UNKNOWN',
  retry: 'terminal',
  exit: 2,
  message: ({ name, known }) =>
    known.length === 0 ? `There are no anomalies "${name}": the project defines none.` : `There are no anomalies "${name}".`,
  hint: ({ name, known }) =>
    known.length === 0
      ? 'Export some from a file in `anomalies/`: `anomalies(name, { of: dataset, ... })`.'
      : `${didYouMean(name, known)} Defined: ${known.join(', ')}.`,
})

export const ANOMALIES_NOTHING_TO_JUDGE = define<{ name: string; dataset: string }>({
  code: 'ANOMALIES_NOTHING_TO_JUDGE',
  retry: 'terminal',
  exit: 2,
  message: ({ name, dataset }) => `The anomalies "${name}" have nothing to judge: ${dataset} has no table yet.`,
  hint: ({ dataset }) => `Run \`sluice run +${dataset}\` first.`,
})

// Workloads

export const WORKLOAD_UNSUPPORTED = define<{ store: string; known: readonly string[] }>({
  code: 'WORKLOAD_UNSUPPORTED',
  retry: 'terminal',
  exit: 2,
  message: ({ store }) => `A workload cannot be run on ${store}: it runs no SQL that this one speaks.`,
  hint: ({ known }) => `Name a store of another kind with \`--store\`: ${known.join(', ')}.`,
})
