"""Prepares the tables that both sides start from, all written by delta-rs: prepare.py <input-folder> <out-folder> <sizes as JSON> <table>...

`base` has 24 files, `upsert` five, `few` and `small` files of 1,024 rows with six columns. `open` and `open-more` are logs alone, a checkpoint and
ten commits after it: to open a table no data file is read.
"""
import itertools
import json
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.transaction import AddAction, create_table_with_add_actions

FEW_COLUMNS = ['trip_id', 'tpep_pickup_datetime', 'PULocationID', 'DOLocationID', 'trip_distance', 'total_amount']


def in_slices(source, out, rows, files):
    table = pq.read_table(source)
    for number in range(files):
        part = table.slice(number * rows, rows)
        if part.num_rows > 0:
            write_deltalake(out, part, mode='append')


def in_small_files(source, out, files):
    """One commit: with a target of one byte delta-rs begins a file every 1,024 rows, its least."""
    schema = pa.schema([pq.read_schema(source).field(name) for name in FEW_COLUMNS])

    def batches():
        wanted = files * 1024
        for _ in itertools.count():
            for batch in pq.ParquetFile(source).iter_batches(columns=FEW_COLUMNS):
                yield batch.slice(0, wanted)
                wanted -= batch.num_rows
                if wanted <= 0:
                    return

    write_deltalake(out, pa.RecordBatchReader.from_batches(schema, batches()), target_file_size=1)


def log_alone(source, out, files):
    schema = pq.read_schema(source)
    now = int(time.time() * 1000)
    nulls = {name: 0 for name in schema.names}

    def add(number):
        low, high = number * 1000, number * 1000 + 999
        bounds = [{'trip_id': id, 'tpep_pickup_datetime': '2024-01-01T00:00:00.000Z', 'PULocationID': 1 + id % 265, 'total_amount': id / 100} for id in (low, high)]
        stats = json.dumps({'numRecords': 1000, 'minValues': bounds[0], 'maxValues': bounds[1], 'nullCount': nulls})
        return AddAction(f'part-{number:05}-6b0b7b2e-3a4c-4a57-9e40-0c4f6a1d9d2b.c000.zstd.parquet', 60_000 + number % 1000, {}, now, True, stats)

    whole = Schema.from_arrow(schema)
    create_table_with_add_actions(out, whole, [add(number) for number in range(files - 10)])
    table = DeltaTable(out)
    table.create_checkpoint()
    for number in range(files - 10, files):
        table.create_write_transaction([add(number)], 'append', whole)


inputs, out, sizes, *wanted = sys.argv[1:]
sizes = json.loads(sizes)
base = f'{inputs}/base.parquet'
prepare = {
    'base': lambda path: in_slices(base, path, sizes['perFile'], 24),
    'upsert': lambda path: in_slices(base, path, sizes['upsertFile'], 5),
    'few': lambda path: in_small_files(base, path, sizes['fewFiles']),
    'small': lambda path: in_small_files(base, path, sizes['smallFiles']),
    'open': lambda path: log_alone(base, path, sizes['openFiles']),
    'open-more': lambda path: log_alone(base, path, sizes['openMoreFiles']),
}
for name in wanted:
    prepare[name](f'{out}/{name}')
