/** The sizes of everything, for a table of so many rows: 3,000,000 are 1, and small runs shrink all of it alike. */
export function sizesFor(rows) {
  const scaled = (whole, least) => Math.max(least, Math.round((whole * rows) / 3_000_000))
  const perFile = Math.ceil(rows / 24)
  const upsertFile = Math.min(39_802, Math.floor(rows / 5))
  return {
    rows,
    appended: scaled(1_000_000, 1),
    /** The table has 24 files of so many rows each, one range of ids after the other. */
    perFile,
    merged: Math.min(scaled(100_000, 2), 2 * perFile),
    upsertFile,
    upserted: Math.min(889, upsertFile),
    fewFiles: scaled(1000, 4),
    smallFiles: scaled(5000, 8),
    openFiles: scaled(100_000, 100),
    openMoreFiles: scaled(300_000, 300),
  }
}

/**
 * What is measured. `table` is the prepared table that a run gets a fresh copy of (`reads`: the table itself), `input` the Parquet file it
 * works with, `alone` leaves the peer out.
 */
export function casesFor(sizes) {
  const middle = 1024 * Math.floor(sizes.fewFiles / 2) + 100
  return {
    create: { about: `create a table of ${sizes.rows} rows x 19 columns`, input: 'base' },
    append: { about: `append ${sizes.appended} rows`, table: 'base', input: 'append' },
    'merge-one': { about: `MERGE ${sizes.merged} rows, half of them new, the rest in one file of 24`, table: 'base', input: 'merge-one' },
    'merge-all': { about: `MERGE ${sizes.merged} rows found in all of 24 files`, table: 'base', input: 'merge-all' },
    upsert: {
      about: `MERGE ${sizes.upserted} rows into one file, where ${sizes.upsertFile - sizes.upserted} stay`,
      table: 'upsert',
      input: 'upsert',
    },
    delete: { about: 'delete 1 % of the rows, some in every file', table: 'base', where: 'trip_id % 100 = 7' },
    read: {
      about: `read 500 rows of one file of ${sizes.fewFiles}`,
      table: 'few',
      reads: true,
      where: `trip_id BETWEEN ${middle} AND ${middle + 499}`,
    },
    optimize: { about: `compact ${sizes.smallFiles} files of 1,024 rows`, table: 'small' },
    open: { about: `open a table of ${sizes.openFiles} files`, table: 'open', reads: true },
    'open-more': { about: `open a table of ${sizes.openMoreFiles} files`, table: 'open-more', reads: true, alone: true },
  }
}
