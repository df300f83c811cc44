import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DeltaTable } from '../../src/table/index.js'
import { describeWithReaders, describeWithSpark, temporaryFolder } from '../fixtures.js'
import { asWeRead, type DeltaRs, openPeer, type Spark } from './peers.js'

interface Made {
  /** In the table's log, or the names in it: that the table really has what its test is about. */
  readonly shows: RegExp
  /** Spark's; `$table` is the table of the test, `$other` one beside it. What is read is compared at every version they make. */
  readonly statements: readonly string[]
}

const tables: Readonly<Record<string, Made>> = {
  'deletion vectors of DELETE, UPDATE and MERGE': {
    shows: /"deletionVector":\{"storageType":"u"/,
    statements: [
      `CREATE TABLE $table (id BIGINT, part STRING, name STRING) USING delta PARTITIONED BY (part)
      TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')`,
      "INSERT INTO $table SELECT id, if(id % 2 = 0, 'even', 'odd'), concat('n', id) FROM range(0, 2000, 1, 2)",
      'DELETE FROM $table WHERE id % 5 = 0',
      "DELETE FROM $table WHERE id BETWEEN 100 AND 300 AND part = 'even'",
      "UPDATE $table SET name = 'updated' WHERE id % 7 = 0",
      `MERGE INTO $table t USING (SELECT id, 'odd' AS part, 'merged' AS name FROM range(1901, 2101, 2)) s ON s.id = t.id
      WHEN MATCHED AND t.id % 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *`,
      'RESTORE TABLE $table TO VERSION AS OF 2',
      "DELETE FROM $table WHERE part = 'odd'",
    ],
  },
  'deletion vectors past a checkpoint, then purged': {
    shows: /"deletionVector":.*"operation":"REORG"/s,
    statements: [
      `CREATE TABLE $table (id BIGINT, text STRING) USING delta
      TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '2')`,
      "INSERT INTO $table SELECT id, repeat('x', cast(id % 50 AS INT)) FROM range(0, 200000, 1, 1)",
      'DELETE FROM $table WHERE id % 2 = 0',
      'DELETE FROM $table WHERE id BETWEEN 70000 AND 140000',
      'DELETE FROM $table WHERE id = 1',
      'REORG TABLE $table APPLY (PURGE)',
      'DELETE FROM $table WHERE id < 100',
    ],
  },
  'column mapping by name, with columns renamed, dropped and added again': {
    shows: /"delta.columnMapping.mode":"name".*DROP COLUMNS/s,
    statements: [
      `CREATE TABLE $table (id BIGINT, \`a name, (odd)\` STRING, place STRUCT<city: STRING, zip: INT>, tags ARRAY<STRUCT<key: STRING, n: INT>>,
      notes MAP<STRING, STRUCT<text: STRING>>, day DATE)
      USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')`,
      `INSERT INTO $table VALUES (1, 'one', struct('Paris', 75), array(struct('k', 1)), map('m', struct('t')), DATE'2024-01-01'),
      (2, null, null, null, null, null)`,
      'ALTER TABLE $table RENAME COLUMN `a name, (odd)` TO name',
      'ALTER TABLE $table RENAME COLUMN place.city TO town',
      'ALTER TABLE $table RENAME COLUMN day TO date',
      "INSERT INTO $table VALUES (3, 'three', struct('Oslo', 1), array(), map(), DATE'2024-01-02')",
      'ALTER TABLE $table DROP COLUMN name',
      'ALTER TABLE $table DROP COLUMN place.zip',
      'ALTER TABLE $table ADD COLUMNS (name INT, place.zip STRING)',
      "INSERT INTO $table VALUES (4, struct('Rome', 'IT'), array(struct('q', 4)), map('u', struct('v')), DATE'2024-01-02', 44)",
      'ALTER TABLE $table ALTER COLUMN name FIRST',
      'DELETE FROM $table WHERE id = 1',
    ],
  },
  'column mapping by id': {
    shows: /"delta.columnMapping.mode":"id"/,
    statements: [
      `CREATE TABLE $table (id BIGINT, name STRING, place STRUCT<city: STRING, zip: INT>) USING delta
      TBLPROPERTIES ('delta.columnMapping.mode' = 'id')`,
      "INSERT INTO $table VALUES (1, 'one', struct('Paris', 75)), (2, null, null)",
      'ALTER TABLE $table RENAME COLUMN name TO title',
      'ALTER TABLE $table RENAME COLUMN place.zip TO code',
      'ALTER TABLE $table DROP COLUMN place.city',
      'ALTER TABLE $table ADD COLUMNS (name DOUBLE)',
      "INSERT INTO $table VALUES (3, 'three', struct(3), 3.5)",
    ],
  },
  'column mapping turned on later': {
    shows: /"delta.columnMapping.mode":"name"/,
    statements: [
      'CREATE TABLE $table (id BIGINT, name STRING, day DATE) USING delta PARTITIONED BY (day)',
      "INSERT INTO $table VALUES (1, 'one', DATE'2024-01-01')",
      `ALTER TABLE $table SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')`,
      'ALTER TABLE $table RENAME COLUMN name TO title',
      "INSERT INTO $table VALUES (2, 'two', DATE'2024-01-02')",
    ],
  },
  'V2 checkpoints': {
    shows: /_sidecars\/.+\.parquet/,
    statements: [
      `CREATE TABLE $table (id BIGINT, part INT) USING delta PARTITIONED BY (part)
      TBLPROPERTIES ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2')`,
      'INSERT INTO $table SELECT id, id % 3 FROM range(100)',
      'INSERT INTO $table SELECT id, id % 3 FROM range(100, 200)',
      'DELETE FROM $table WHERE part = 1',
      'INSERT INTO $table SELECT id, 1 FROM range(5)',
      'DELETE FROM $table WHERE id % 10 = 0',
    ],
  },
  'checkpoints in parts': {
    shows: /\.checkpoint\.\d{10}\.\d{10}\.parquet/,
    statements: [
      'SET spark.databricks.delta.checkpoint.partSize = 4',
      "CREATE TABLE $table (id BIGINT, part INT) USING delta PARTITIONED BY (part) TBLPROPERTIES ('delta.checkpointInterval' = '2')",
      'INSERT INTO $table SELECT id, id % 10 FROM range(100)',
      'INSERT INTO $table SELECT id, id % 10 FROM range(100, 200)',
      'DELETE FROM $table WHERE part < 3',
      'RESET spark.databricks.delta.checkpoint.partSize',
    ],
  },
  'statistics and partition values as columns of checkpoints only': {
    shows: /"delta.checkpoint.writeStatsAsJson":"false"/,
    statements: [
      `CREATE TABLE $table (id BIGINT, part DATE) USING delta PARTITIONED BY (part) TBLPROPERTIES ('delta.checkpointInterval' = '1',
      'delta.checkpoint.writeStatsAsJson' = 'false', 'delta.checkpoint.writeStatsAsStruct' = 'true')`,
      "INSERT INTO $table SELECT id, DATE'2024-01-01' + cast(id % 3 AS INT) FROM range(100)",
      'DELETE FROM $table WHERE id < 10',
    ],
  },
  'widened types': {
    shows: /delta\.typeChanges/,
    statements: [
      `CREATE TABLE $table (b BYTE, s SHORT, i INT, f FLOAT, d DATE, m DECIMAL(5, 2), n STRUCT<x: INT>, a ARRAY<SHORT>, p INT) USING delta PARTITIONED BY (p)
      TBLPROPERTIES ('delta.enableTypeWidening' = 'true', 'delta.feature.timestampNtz' = 'supported')`,
      "INSERT INTO $table VALUES (1, 2, 3, 1.5, DATE'1969-12-31', 123.45, struct(7), array(1, 2), 5)",
      'ALTER TABLE $table CHANGE COLUMN b TYPE INT',
      'ALTER TABLE $table CHANGE COLUMN s TYPE BIGINT',
      'ALTER TABLE $table CHANGE COLUMN i TYPE BIGINT',
      'ALTER TABLE $table CHANGE COLUMN f TYPE DOUBLE',
      'ALTER TABLE $table CHANGE COLUMN d TYPE TIMESTAMP_NTZ',
      'ALTER TABLE $table CHANGE COLUMN m TYPE DECIMAL(12, 4)',
      'ALTER TABLE $table CHANGE COLUMN n.x TYPE BIGINT',
      'ALTER TABLE $table CHANGE COLUMN a.element TYPE INT',
      'ALTER TABLE $table CHANGE COLUMN p TYPE BIGINT',
      "INSERT INTO $table VALUES (100000, 5000000000, 5000000000, 0.1, TIMESTAMP_NTZ'2024-01-01 12:00:00', 12345678.1234, struct(5000000000), array(70000), 5000000000)",
      'ALTER TABLE $table CHANGE COLUMN b TYPE DOUBLE',
    ],
  },
  'a change data feed': {
    shows: /"cdc":\{"path":"_change_data/,
    statements: [
      "CREATE TABLE $table (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')",
      "INSERT INTO $table SELECT id, 'new' FROM range(10)",
      "UPDATE $table SET name = 'changed' WHERE id < 3",
      'DELETE FROM $table WHERE id = 9',
      `MERGE INTO $table t USING (SELECT id, 'merged' AS name FROM range(8, 12)) s ON s.id = t.id
      WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *`,
    ],
  },
  clustering: {
    shows: /"clusteringColumns\\":/,
    statements: [
      "CREATE TABLE $table (id BIGINT, name STRING, day DATE) USING delta CLUSTER BY (day, id) TBLPROPERTIES ('delta.checkpointInterval' = '2')",
      "INSERT INTO $table SELECT id, concat('n', id), DATE'2024-01-01' + cast(id % 30 AS INT) FROM range(1000)",
      "INSERT INTO $table SELECT id, concat('n', id), DATE'2024-01-01' + cast(id % 30 AS INT) FROM range(1000, 2000)",
      'OPTIMIZE $table',
      'ALTER TABLE $table CLUSTER BY (name)',
      'DELETE FROM $table WHERE id % 2 = 0',
    ],
  },
  'rows with identities, and commits with times of their own': {
    shows: /"inCommitTimestamp":.*"baseRowId":/s,
    statements: [
      `CREATE TABLE $table (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.enableRowTracking' = 'true',
      'delta.enableInCommitTimestamps' = 'true', 'delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '2')`,
      "INSERT INTO $table SELECT id, 'new' FROM range(10)",
      "UPDATE $table SET name = 'changed' WHERE id < 3",
      'OPTIMIZE $table',
    ],
  },
  'columns that are generated, counted, defaulted and checked': {
    shows: /delta\.generationExpression.*"delta.constraints.positive"/s,
    statements: [
      `CREATE TABLE $table (id BIGINT GENERATED ALWAYS AS IDENTITY, at TIMESTAMP, day DATE GENERATED ALWAYS AS (CAST(at AS DATE)), n INT DEFAULT 7)
      USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')`,
      "INSERT INTO $table (at) VALUES (TIMESTAMP'2024-01-01 10:00:00'), (TIMESTAMP'1969-12-31 23:59:59.999999')",
      'ALTER TABLE $table ADD CONSTRAINT positive CHECK (n > 0)',
      "INSERT INTO $table (at, n) VALUES (TIMESTAMP'2024-01-02 10:00:00', 8)",
    ],
  },
  'columns added within others, and a schema that was replaced': {
    shows: /"operation":"CREATE OR REPLACE TABLE AS SELECT"/,
    statements: [
      'CREATE TABLE $table (id BIGINT, place STRUCT<city: STRING>, list ARRAY<STRUCT<x: INT>>, map MAP<STRING, STRUCT<y: INT>>) USING delta',
      "INSERT INTO $table VALUES (1, struct('Paris'), array(struct(1), null), map('k', struct(2))), (2, null, null, null)",
      'ALTER TABLE $table ADD COLUMNS (place.zip INT FIRST, list.element.z STRING, map.value.w DOUBLE, more STRING)',
      "INSERT INTO $table VALUES (3, struct(1, 'Oslo'), array(struct(1, 'z')), map('k', struct(2, 3.5)), 'more')",
      "CREATE OR REPLACE TABLE $table USING delta PARTITIONED BY (other) AS SELECT 'text' AS id, 1.5D AS other",
    ],
  },
  'a shallow clone, whose files are elsewhere': {
    shows: /"path":"file:\/[^"]+other/,
    statements: [
      'CREATE TABLE $other (id BIGINT, part STRING) USING delta PARTITIONED BY (part)',
      "INSERT INTO $other SELECT id, 'a b%/é' FROM range(10)",
      'CREATE TABLE $table SHALLOW CLONE $other',
      'DELETE FROM $table WHERE id = 3',
      "INSERT INTO $table VALUES (100, 'own')",
    ],
  },
}

/** The text of a table's commits, oldest first, then the names of all files in its log. */
function logOf(path: string): string {
  const names = (readdirSync(join(path, '_delta_log'), { recursive: true }) as string[]).sort()
  const commits = names.filter((name) => /^\d+\.json$/.test(name)).map((name) => readFileSync(join(path, '_delta_log', name), 'utf8'))
  return [...commits, ...names].join('\n')
}

describeWithSpark('tables that Spark wrote', () => {
  describeWithReaders('with features of the protocol', () => {
    let spark: Spark
    let deltaRs: DeltaRs
    beforeAll(async () => {
      ;[spark, deltaRs] = await Promise.all([openPeer('spark'), openPeer('delta-rs')])
    })
    afterAll(() => Promise.all([spark?.close(), deltaRs?.close()]))

    async function make(statements: readonly string[]): Promise<string> {
      const folder = temporaryFolder()
      for (const one of statements) {
        await spark.sql(one.replaceAll('$table', `delta.\`${folder}/table\``).replaceAll('$other', `delta.\`${folder}/other\``))
      }
      return join(folder, 'table')
    }

    test.each(Object.entries(tables))('%s', async (_, { shows, statements }) => {
      const path = await make(statements)
      expect(logOf(path)).toMatch(shows)
      const versions = (await spark.sql(`DESCRIBE HISTORY delta.\`${path}\``)).length
      expect(versions).toBeGreaterThan(1)
      const ours: Record<number, unknown> = {}
      const theirs: Record<number, unknown> = {}
      for (let version = 0; version < versions; version++) {
        ours[version] = await asWeRead(path, version).catch(String)
        theirs[version] = await spark.read(path, version)
      }
      expect({ ...ours, latest: await asWeRead(path).catch(String) }).toEqual({ ...theirs, latest: await spark.read(path) })
    })

    test('a change data feed, as Spark and as its rows say', async () => {
      const path = await make(tables['a change data feed']?.statements ?? [])
      const { sample } = await spark.changes(path, 2, 3)
      // By name of column: `_change_type`, `_commit_version`, `id`, `name`.
      expect(sample).toEqual([
        'delete|3|9|new',
        'update_postimage|2|0|changed',
        'update_postimage|2|1|changed',
        'update_postimage|2|2|changed',
        'update_preimage|2|0|new',
        'update_preimage|2|1|new',
        'update_preimage|2|2|new',
      ])
    })

    test('deletion vectors, as delta-rs reads them too', async () => {
      const path = await make(tables['deletion vectors of DELETE, UPDATE and MERGE']?.statements ?? [])
      expect(await asWeRead(path)).toEqual(await deltaRs.read(path))
    })

    test('a type we do not know is refused by name, not misread', async () => {
      const path = await make([
        'CREATE TABLE $table (id BIGINT, v VARIANT) USING delta',
        `INSERT INTO $table SELECT 1, parse_json('{"a": 1}')`,
      ])
      await expect(DeltaTable.open(path)).rejects.toMatchObject({ code: 'TABLE_FEATURE_UNSUPPORTED' })
    })
  })
})
