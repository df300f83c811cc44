import { rm } from 'node:fs/promises'
import { localStorage } from '../../src/storage/local.js'

/** Writes a file of one repeated byte, once or, each time with the next byte, until it is killed: `once put PATH BYTES`. */
const [, , how, call, path = '', bytes] = process.argv
const storage = localStorage()
const write = (byte: number) => storage[call === 'put' ? 'put' : 'putIfAbsent'](path, new Uint8Array(Number(bytes)).fill(byte))

if (how === 'once') await write(1).then(console.log, (error: { code?: string }) => console.log(error.code))
for (let byte = 0; how === 'forever'; byte++) {
  await write(byte % 256)
  if (byte === 0) console.log('begun')
  if (call === 'putIfAbsent') await rm(path)
}
