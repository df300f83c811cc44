import { describeWith } from '../../fixtures.js'

/** A `describe` for tests that need a MySQL or MariaDB, whose address is MYSQL_URL. */
export function describeWithMysql(name: string, body: () => void): void {
  describeWith(name, body, process.env['MYSQL_URL'] !== undefined, needOf('a MySQL server', 'mysql'))
}

/** A `describe` for tests that need a PostgreSQL, whose address is POSTGRES_URL. */
export function describeWithPostgres(name: string, body: () => void): void {
  describeWith(name, body, process.env['POSTGRES_URL'] !== undefined, needOf('a PostgreSQL server', 'postgres'))
}

/** A `describe` for tests that need a MongoDB, whose address is MONGODB_URL. */
export function describeWithMongodb(name: string, body: () => void): void {
  describeWith(name, body, process.env['MONGODB_URL'] !== undefined, needOf('a server that speaks MongoDB’s protocol', 'mongodb'))
}

function needOf(server: string, service: string): string {
  return `${server}: \`npm run services -- up ${service}\`, then \`set -a; . .services/env; set +a\``
}
