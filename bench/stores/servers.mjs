import { MongoClient } from 'mongodb'
import mysql from 'mysql2/promise'
import pg from 'pg'

/** The servers' addresses as `environment` has them, for databases of this run's own, which `drop` takes away again. */
export function servers(environment, name) {
  const own = {
    MYSQL_URL: withDatabase(environment.MYSQL_URL, name),
    POSTGRES_URL: withDatabase(environment.POSTGRES_URL, name),
    MONGODB_URL: withDatabase(environment.MONGODB_URL, name),
  }
  const inMysql = async (url, work) => {
    const connection = await mysql.createConnection({ uri: url, multipleStatements: true, supportBigNumbers: true, bigNumberStrings: true })
    try {
      return await work(async (sql) => (await connection.query(sql))[0])
    } finally {
      await connection.end()
    }
  }
  const inPostgres = async (url, work) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return await work(async (sql) => client.query(sql))
    } finally {
      await client.end()
    }
  }
  const inMongodb = async (work) => {
    const client = new MongoClient(own.MONGODB_URL)
    try {
      return await work(client.db())
    } finally {
      await client.close()
    }
  }
  return {
    own,
    mysql: (sql) => inMysql(own.MYSQL_URL, (query) => query(sql)),
    postgres: (sql) => inPostgres(own.POSTGRES_URL, (query) => query(sql)),
    mongodb: inMongodb,
    async make() {
      await inMysql(environment.MYSQL_URL, (query) => query(`CREATE DATABASE ${name}`))
      await inPostgres(environment.POSTGRES_URL, (query) => query(`CREATE DATABASE ${name}`))
    },
    async drop() {
      await inMysql(environment.MYSQL_URL, (query) => query(`DROP DATABASE IF EXISTS ${name}`))
      await inPostgres(environment.POSTGRES_URL, (query) => query(`DROP DATABASE IF EXISTS ${name}`))
      await inMongodb((database) => database.dropDatabase())
    },
    async versions() {
      const [{ version }] = await inMysql(environment.MYSQL_URL, (query) => query('SELECT VERSION() AS version'))
      const { rows } = await inPostgres(environment.POSTGRES_URL, (query) => query('SHOW server_version'))
      const info = await inMongodb((database) => database.command({ buildInfo: 1 }))
      return { mysql: version, postgres: rows[0].server_version, mongodb: info.version }
    },
  }
}

/** Not by URL: an address of MongoDB may name several hosts. */
function withDatabase(url, name) {
  const [, start, query = ''] = /^([a-z+]+:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(url)
  return `${start}/${name}${query}`
}
