"""Two Delta implementations that are not ours, one a process: `peers.py spark` (SLUICE_TEST_DELTA_JARS: the folder of its jars), `peers.py delta-rs`.

Commands are JSON lines on stdin, `{"command": "read", "path": "/lake/trips"}`. Each is answered by one JSON line, `{"ok": ...}` or
`{"error": "..."}`; a first `{"ok": ...}` says that the process is ready. The end of stdin ends it. What each command takes is its method's arguments.
"""
import json
import os
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet


def seen(table):
    """An Arrow table's row count, columns, an order-free digest of its rows as text, and a sample of that text. peers.ts makes the same of ours."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.register('t', table)
    columns = sorted(table.column_names)
    values = ', '.join(f"coalesce(cast({quoted(name)} as varchar), '~')" for name in columns)
    lines = f"select concat_ws('|', {values}) as line from t"
    rows, digest = connection.execute(f"select count(*), coalesce(sum(('0x' || left(md5(line), 15))::bigint), 0)::varchar from ({lines})").fetchone()
    sample = [line for (line,) in connection.execute(f'{lines} order by line limit 20').fetchall()]
    return {'rows': rows, 'digest': digest, 'columns': columns, 'sample': sample}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Spark:
    def __init__(self):
        from pyspark.sql import SparkSession

        # Spark leaves its metastore and its artifacts where it stands.
        self.folder = tempfile.TemporaryDirectory(prefix='sluice-spark-')
        os.chdir(self.folder.name)
        settings = {
            'spark.jars': ','.join(str(jar) for jar in sorted(Path(os.environ['SLUICE_TEST_DELTA_JARS']).glob('*.jar'))),
            'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
            'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
            'spark.sql.catalogImplementation': 'in-memory',
            'spark.sql.warehouse.dir': f'{self.folder.name}/warehouse',
            'spark.local.dir': self.folder.name,
            'spark.sql.session.timeZone': 'UTC',
            'spark.driver.memory': '1g',
            'spark.driver.host': '127.0.0.1',
            'spark.driver.bindAddress': '127.0.0.1',
            'spark.ui.enabled': 'false',
            'spark.ui.showConsoleProgress': 'false',
            # For tables of a few rows: its defaults of 200 and 50 tasks take most of a statement's time.
            'spark.sql.shuffle.partitions': '2',
            'spark.databricks.delta.snapshotPartitions': '2',
            'spark.databricks.delta.retentionDurationCheck.enabled': 'false',
            'spark.databricks.delta.alterTable.dropColumn.enabled': 'true',
        }
        builder = SparkSession.builder.master('local[2]').appName('peers')
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel('ERROR')

    def read(self, path, version=None):
        reader = self.session.read.format('delta')
        return seen((reader if version is None else reader.option('versionAsOf', version)).load(path).toArrow())

    def changes(self, path, start, end):
        """The change data feed of these versions, both included, less `_commit_timestamp`."""
        feed = self.session.read.format('delta').options(readChangeFeed='true', startingVersion=start, endingVersion=end).load(path)
        return seen(feed.drop('_commit_timestamp').toArrow())

    def sql(self, text):
        return [row.asDict(recursive=True) for row in self.session.sql(text).collect()]

    def write(self, path, parquet, mode='append', partitionBy=(), properties=None):
        writer = self.session.read.parquet(parquet).write.format('delta').mode(mode).partitionBy(*partitionBy)
        writer.options(**(properties or {})).save(path)

    def close(self):
        self.session.stop()
        os.chdir('/')
        self.folder.cleanup()


class DeltaRs:
    def table(self, path, version=None):
        from deltalake import DeltaTable

        return DeltaTable(path, version=version)

    def read(self, path, version=None):
        from deltalake import QueryBuilder

        # Its own query engine: its pyarrow datasets give nulls for the columns of tables with column mapping.
        return seen(pa.table(QueryBuilder().register('t', self.table(path, version)).execute('select * from t').read_all()))

    def write(self, path, parquet, mode='append', partitionBy=None, configuration=None):
        from deltalake import write_deltalake

        write_deltalake(path, pa.parquet.read_table(parquet), mode=mode, partition_by=partitionBy, configuration=configuration)

    def merge(self, path, parquet, on, update=True, insert=True, delete=None):
        """MERGE on equal columns `on` of `s` (the Parquet file) and `t`; matched rows for which the condition `delete` is true go."""
        equal = ' and '.join(f's.{quoted(name)} = t.{quoted(name)}' for name in on)
        merger = self.table(path).merge(pa.parquet.read_table(parquet), equal, source_alias='s', target_alias='t')
        if delete is not None:
            merger = merger.when_matched_delete(delete)
        if update:
            merger = merger.when_matched_update_all()
        if insert:
            merger = merger.when_not_matched_insert_all()
        return merger.execute()

    def delete(self, path, predicate=None):
        return self.table(path).delete(predicate)

    def optimize(self, path):
        return self.table(path).optimize.compact()

    def zorder(self, path, columns):
        return self.table(path).optimize.z_order(columns)

    def vacuum(self, path, retentionHours=None, dryRun=False):
        """The files taken away, or for a dry run those that would be."""
        return self.table(path).vacuum(retention_hours=retentionHours, dry_run=dryRun, enforce_retention_duration=False)

    def checkpoint(self, path):
        self.table(path).create_checkpoint()

    def history(self, path):
        return self.table(path).history()

    def close(self):
        pass


def main(peer):
    # The peers and what they run may print: the answers have a channel of their own.
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)

    def answer(message):
        answers.write(json.dumps(message, default=str) + '\n')

    implementation = {'spark': Spark, 'delta-rs': DeltaRs}[peer]()
    answer({'ok': peer})
    for line in sys.stdin:
        arguments = json.loads(line)
        command = arguments.pop('command')
        try:
            answer({'ok': getattr(implementation, command)(**arguments)})
        except Exception as error:
            # What the JVM says, and its causes, without the stacks.
            said = [line for line in f'{type(error).__name__}: {error}'.splitlines() if not line.startswith(('\tat ', '\t...'))]
            answer({'error': '\n'.join(said)[:4000]})
    implementation.close()


main(sys.argv[1])
