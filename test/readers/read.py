"""Reads Delta tables with delta-rs and prints, for each path given, its row count and an order-free digest of its rows, as JSON."""
import json
import sys

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder


def read(path):
    # delta-rs's own query engine; its pyarrow datasets misread some tables.
    table = pa.table(QueryBuilder().register('t', DeltaTable(path)).execute('select * from t').read_all())
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.register('t', table)
    columns = sorted((name, kind) for name, kind, *_ in connection.execute('describe t').fetchall())
    text = ', '.join(f"""coalesce(cast("{name}" as varchar), '~')""" for name, _ in columns)
    rows, digest = connection.execute(f"select count(*), coalesce(bit_xor(('0x' || left(md5(concat_ws('|', {text})), 15))::bigint), 0)::varchar from t").fetchone()
    return {'rows': rows, 'digest': digest, 'columns': [name for name, _ in columns]}


print(json.dumps({path: read(path) for path in sys.argv[1:]}))
