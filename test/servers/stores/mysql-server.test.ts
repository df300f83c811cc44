import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type MysqlOptions, mysql } from '../../../src/stores/mysql.js'
import { RowBatch } from '../../../src/stores/rows.js'
import { describeWith, isOnPath } from '../../fixtures.js'
import { freePort } from '../prometheus/server.js'

/** A server of the suite's own, with one connection more than the one it is told by, and with a certificate. */
describeWith(
  'a mysql server of our own',
  () => {
    let folder = ''
    let server: ChildProcess | undefined
    let port = 0
    const open = (options: MysqlOptions = {}, parameters = '') =>
      mysql({ url: `mysql://app:app@127.0.0.1:${port}/app${parameters}`, retry: { attempts: 3, delay: 1 }, ...options }).open({
        projectFolder: '.',
      })

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sluice-mysql-'))
      const asRoot = process.getuid?.() === 0
      const [uid, gid] = asRoot ? ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'mysql']).toString())) : []
      const certificate = [
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      ]
      execFileSync('openssl', ['req', ...certificate, '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')], {
        stdio: 'ignore',
      })
      if (uid !== undefined && gid !== undefined)
        for (const path of [folder, join(folder, 'key.pem'), join(folder, 'certificate.pem')]) chownSync(path, uid, gid)
      const user = asRoot ? ['--user=mysql'] : []
      const data = join(folder, 'data')
      execFileSync(
        'mariadb-install-db',
        ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', ...user],
        {
          stdio: 'ignore',
        },
      )
      port = await freePort()
      const first = join(folder, 'first.sql')
      writeFileSync(
        first,
        "CREATE DATABASE IF NOT EXISTS app;\nCREATE USER IF NOT EXISTS 'app'@'127.0.0.1' IDENTIFIED BY 'app';\nGRANT ALL ON app.* TO 'app'@'127.0.0.1';\n",
      )
      server = spawn(
        ['/usr/sbin/mariadbd', 'mariadbd'].find((path) => isOnPath(path)) ?? '/usr/sbin/mariadbd',
        [
          ...['--no-defaults', `--datadir=${data}`, '--bind-address=127.0.0.1', `--port=${port}`, `--socket=${join(folder, 'socket')}`],
          ...['--skip-name-resolve', '--local-infile=0', `--init-file=${first}`, '--innodb-buffer-pool-size=16M', ...user],
          ...[`--ssl-cert=${join(folder, 'certificate.pem')}`, `--ssl-key=${join(folder, 'key.pem')}`],
        ],
        { stdio: 'ignore' },
      )
      for (let up = false; !up; await sleep(100)) {
        up = await open().then(
          (store) => store.close().then(() => true),
          () => false,
        )
      }
    })
    afterAll(async () => {
      const ended = new Promise((resolve) => server?.once('exit', resolve))
      server?.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    })

    test('that lets in no more connections is busy, and no longer when one is free', async () => {
      const root = await mysql({ url: `mysql://root@127.0.0.1:${port}/app` }).open({ projectFolder: '.' })
      await root.sql?.script('SET GLOBAL max_connections = 10')
      const held = []
      for (;;) {
        const store = await open({ retry: { attempts: 1 } }).catch((error: { code: string }) => error)
        if ('code' in store) {
          expect(store.code).toBe('STORE_BUSY')
          break
        }
        held.push(store)
      }
      expect(held.length).toBeGreaterThan(5)
      await expect(open()).rejects.toMatchObject({ code: 'STORE_BUSY', retry: 'transient' })
      const waiting = open({ retry: { attempts: 200, delay: 50, longest: 50 } })
      await sleep(200)
      await held.pop()?.close()
      held.push(await waiting)
      await Promise.all(held.map((store) => store.close()))
      await root.close()
    })

    test('that refuses LOAD DATA LOCAL takes rows all the same', async () => {
      const store = await open()
      const table = store.table('plain')
      const columns = [
        { name: 'id', type: { kind: 'long' }, nullable: false },
        { name: 'text', type: { kind: 'string' }, nullable: true },
        { name: 'bytes', type: { kind: 'binary' }, nullable: true },
      ] as const
      await table.make({ columns, key: ['id'], indexes: [] })
      const lines = ["1\tit's\\t\\\\\\0\\n\t00ff", '2\t\\N\t', '3\t\t\\N']
      expect(await table.upsert(new RowBatch(columns, lines), { key: ['id'], fresh: true })).toEqual({
        inserted: 3,
        updated: 0,
        refused: [],
      })
      expect(await table.upsert(new RowBatch(columns, lines), { key: ['id'] })).toEqual({ inserted: 0, updated: 0, refused: [] })
      const found: string[] = []
      for await (const batch of table.scan({ columns, orderBy: 'id' })) found.push(...batch.lines)
      expect(found).toEqual(lines)
      await store.close()
    })

    test('is spoken to in secret when asked, and its certificate is looked at', async () => {
      const cipherOf = async (options: MysqlOptions, parameters = '') => {
        const store = await open(options, parameters)
        const [row] = (await store.sql?.query("SHOW STATUS LIKE 'Ssl_cipher'")) ?? []
        await store.close()
        return row?.['Value']
      }
      expect(await cipherOf({})).toBe('')
      expect(await cipherOf({}, '?ssl-mode=REQUIRED')).toMatch(/^TLS_/)
      expect(await cipherOf({ tls: { ca: readFileSync(join(folder, 'certificate.pem')) } })).toMatch(/^TLS_/)
      await expect(open({ tls: true })).rejects.toMatchObject({ code: 'STORE_FAILED', retry: 'terminal' })
    })

    test('that knows no such user or database says so', async () => {
      await expect(open({ password: 'wrong' })).rejects.toMatchObject({ code: 'STORE_DENIED' })
      await expect(open({ database: 'none' })).rejects.toMatchObject({ code: expect.stringMatching(/STORE_URL_INVALID|STORE_DENIED/) })
      await expect(open({ port: 1 })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    })
  },
  isOnPath('mariadb-install-db') && isOnPath('openssl'),
  'mariadb-server and openssl',
)
