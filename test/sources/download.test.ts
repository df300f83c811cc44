import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { column, variable, variables } from '../../src/schema/index.js'
import { download } from '../../src/sources/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { contextIn, takeOffer } from './take.js'

const session = openSession()
const body = `n\n${Array.from({ length: 5000 }, (_, index) => index).join('\n')}\n`

interface Server {
  readonly url: string
  /** `GET`, `GET bytes=100-`, `GET if-none-match "1"` */
  readonly asked: string[]
  answer: (request: IncomingMessage, response: ServerResponse) => void
  close(): Promise<void>
}

/** A server on this machine that keeps `x.csv` under the entity tag "1". */
async function serve(): Promise<Server> {
  const asked: string[] = []
  const http = createServer((request, response) => {
    const { range, 'if-none-match': match } = request.headers
    asked.push(['GET', ...(range === undefined ? [] : [range]), ...(match === undefined ? [] : [`if-none-match ${match}`])].join(' '))
    server.answer(request, response)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const server: Server = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    asked,
    answer: whole,
    close: () => new Promise((resolve) => (http.listening ? http.close(() => resolve()) : resolve())),
  }
  onTestFinished(() => {
    http.closeAllConnections()
    return server.close()
  })
  return server
}

function whole(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('etag', '"1"')
  if (request.headers['if-none-match'] === '"1"') {
    response.writeHead(304).end()
    return
  }
  const range = /bytes=(\d+)-/.exec(request.headers.range ?? '')
  const from = range === null ? 0 : Number(range[1])
  if (from >= body.length) response.writeHead(416).end()
  else response.writeHead(range === null ? 200 : 206, { 'content-length': body.length - from, connection: 'close' }).end(body.slice(from))
}

/** Sends a part, then cuts the line. */
function cut(bytes: number) {
  return (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'content-length': body.length, etag: '"1"' })
    response.write(body.slice(0, bytes), () => setTimeout(() => response.destroy(), 50))
  }
}

const vars = variables({ base: variable.string(), name: variable.string({ default: 'x' }) })
const source = download({ url: ({ base, name }) => `${base}/${name}.csv`, variables: { base: vars.base, name: vars.name } })

/** Rows taken, or the error's code. */
async function rows(server: Server, folder: string): Promise<number | string> {
  try {
    const offer = await source.offer(contextIn(folder, { base: server.url }))
    return (await takeOffer(session(), { n: column.integer() }, offer)).rows.length
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('download', () => {
  test('is fetched once and kept; a server that says so is believed', async () => {
    const [server, folder] = [await serve(), temporaryFolder()]
    expect([await rows(server, folder), await rows(server, folder)]).toEqual([5000, 5000])
    expect(server.asked).toEqual(['GET', 'GET if-none-match "1"'])
  })

  test('is fetched again when it has changed', async () => {
    const [server, folder] = [await serve(), temporaryFolder()]
    await rows(server, folder)
    server.answer = (_, response) => response.writeHead(200, { etag: '"2"' }).end('n\n1\n2\n')
    expect(await rows(server, folder)).toBe(2)
  })

  test('goes on where it was cut off', async () => {
    const [server, folder] = [await serve(), temporaryFolder()]
    server.answer = cut(1000)
    expect(await rows(server, folder)).toBe('SOURCE_UNREACHABLE')
    server.answer = whole
    expect(await rows(server, folder)).toBe(5000)
    expect(server.asked).toEqual(['GET', 'GET bytes=1000-'])
  })

  test('begins anew where the server cannot go on', async () => {
    const [server, folder] = [await serve(), temporaryFolder()]
    server.answer = cut(1000)
    await rows(server, folder)
    server.answer = (_, response) => response.writeHead(200, { 'content-length': body.length }).end(body)
    expect(await rows(server, folder)).toBe(5000)
  })

  test('does not join parts of two files', async () => {
    const [server, folder] = [await serve(), temporaryFolder()]
    server.answer = cut(1000)
    await rows(server, folder)
    // The file is another now; a server that knows no If-Range goes on all the same, under another tag.
    server.answer = (request, response) => {
      const range = /bytes=(\d+)-/.exec(request.headers.range ?? '')
      const changed = body.replaceAll('1', '2')
      const from = range === null ? 0 : Number(range[1])
      response.writeHead(range === null ? 200 : 206, { etag: '"2"', 'content-length': changed.length - from }).end(changed.slice(from))
    }
    const taken = await rows(server, folder)
    if (taken !== 'SOURCE_UNREACHABLE') {
      const offer = await source.offer(contextIn(folder, { base: server.url }))
      const { rows: all } = await takeOffer(session(), { n: column.integer() }, offer)
      expect(all.filter((row) => String(row['n']).includes('1'))).toEqual([])
    }
  })

  test('uses the copy it has when there is no network, and says so', async () => {
    const [server, folder] = [await serve(), temporaryFolder()]
    await rows(server, folder)
    await server.close()
    const said: string[] = []
    const offer = await source.offer({ ...contextIn(folder, { base: server.url }), report: (line) => said.push(line) })
    expect(offer.items).toHaveLength(1)
    expect(said.join()).toContain('using the copy fetched before')
  })

  const answering = (status: number) => async (server: Server) => {
    server.answer = (_, response) => response.writeHead(status).end()
  }
  test.each([
    ['no server', (server: Server) => server.close()],
    ['no such file', answering(404)],
    ['a server in trouble', answering(503)],
  ])('%s is told, and leaves nothing behind that looks whole', async (_, trouble) => {
    const [server, folder] = [await serve(), temporaryFolder()]
    await trouble(server)
    expect(await rows(server, folder)).toMatch(/^SOURCE_/)
    expect(await rows(server, folder)).toMatch(/^SOURCE_/)
  })
})
