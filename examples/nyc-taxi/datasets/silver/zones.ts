import { column, dataset, expect, files, firstGiven, generator, overwrite } from 'sluice'
import { synthetic } from '../../synthetic/load.js'
import { vars } from '../../variables.js'

export const zones = dataset('silver.zones', {
  description: 'Taxi zones: where trips begin and end.',
  columns: {
    location_id: column.integer({ aliases: ['LocationID'], description: 'The TLC’s number, 1 to 265.' }),
    borough: column.string({ aliases: ['Borough'] }),
    zone: column.string({ aliases: ['Zone'], description: 'Its name.' }),
    service_zone: column.string({ description: 'Which cabs may pick up there.' }),
  },
  key: ['location_id'],
  from: firstGiven(files(vars.zones), generator({ name: 'zones', rows: 265, seed: 0, query: synthetic('zones') })),
  write: overwrite(),
  expect: [expect.column('location_id').notNull().otherwise('fail'), expect.unique('location_id').otherwise('fail')],
})
