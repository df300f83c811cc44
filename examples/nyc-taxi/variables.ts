import { variable, variables } from 'sluice'

export const vars = variables({
  input: variable.path({ description: 'Trip files: a path or a glob of CSV, JSONL or Parquet.' }),
  month: variable.string({ description: 'A month to download from the TLC, as YYYY-MM.' }),
  base_url: variable.string({
    default: 'https://d37ci6vzurychx.cloudfront.net/trip-data',
    description: 'Where the TLC publishes its files.',
  }),
  zones: variable.path({ description: 'The TLC zone lookup (CSV).' }),
  rows: variable.integer({ default: 1_000_000, description: 'How many synthetic trips to generate when there is no input.' }),
  seed: variable.integer({ default: 42, description: 'The same seed gives the same synthetic trips.' }),
  max_trip_hours: variable.integer({ default: 6, description: 'A trip this long or longer is held.' }),
})
