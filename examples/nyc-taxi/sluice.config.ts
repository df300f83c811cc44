import { defineProject } from 'sluice'

export default defineProject({
  name: 'nyc-taxi',
  lake: './lake',
  engine: { memory: '512MB' },
})
