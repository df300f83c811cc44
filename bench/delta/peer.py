"""One case by delta-rs: peer.py '{"case": "merge-all", "table": "/tmp/table", "input": "/tmp/merge-all.parquet"}'. Prints what it took and found as JSON.

The calls are those of its own guide, each in the variant that needs the least memory: rows are handed over as a stream.
"""
import json
import os
import resource
import sys
import time

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, write_deltalake

request = json.loads(sys.argv[1])
path, where = request.get('table'), request.get('where')


def rows():
    source = pq.ParquetFile(request['input'])
    return pa.RecordBatchReader.from_batches(source.schema_arrow, source.iter_batches())


def merge():
    merger = DeltaTable(path).merge(rows(), 's.trip_id = t.trip_id', source_alias='s', target_alias='t')
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


def read():
    query = QueryBuilder().register('t', DeltaTable(path))
    found = pa.table(query.execute(f'SELECT count(*) AS n, round(sum(total_amount), 1) AS total FROM t WHERE {where}').read_all())
    return list(found.to_pylist()[0].values())


cases = {
    'version': lambda: deltalake.__version__,
    'create': lambda: write_deltalake(path, rows()),
    'append': lambda: write_deltalake(path, rows(), mode='append'),
    'merge-one': merge,
    'merge-all': merge,
    'upsert': merge,
    'delete': lambda: DeltaTable(path).delete(where) and None,
    'read': read,
    'optimize': lambda: DeltaTable(path).optimize.compact(target_size=2**27) and None,
    'open': lambda: len(DeltaTable(path).file_uris()),
}

began = time.perf_counter()
answer = cases[request['case']]()
print(json.dumps({'insideMs': (time.perf_counter() - began) * 1000, 'answer': answer}))
if 'BENCH_USAGE' in os.environ:
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open(os.environ['BENCH_USAGE'], 'w') as file:
        json.dump({'peakMb': round(used.ru_maxrss / 1024), 'cpuMs': round((used.ru_utime + used.ru_stime) * 1000)}, file)
