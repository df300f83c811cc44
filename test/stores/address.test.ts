import { afterEach, describe, expect, test, vi } from 'vitest'
import { redact } from '../../src/errors/index.js'
import { env } from '../../src/schema/index.js'
import { readAddress } from '../../src/stores/address.js'
import { mysql } from '../../src/stores/mysql.js'
import { postgres } from '../../src/stores/postgres.js'

const KIND = { store: 'mysql', protocols: ['mysql:'], port: 3306, example: 'mysql://user:password@host:3306/database' }

describe('the address of a server', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })
  test('is read from a URL, or from parts, which come first', () => {
    const url = 'mysql://us%40er:p%3Ass@db.example.com:3307/ta%2Fxi?ssl-mode=REQUIRED'
    expect(readAddress({ url }, KIND)).toEqual({
      host: 'db.example.com',
      port: 3307,
      user: 'us@er',
      password: 'p:ss',
      database: 'ta/xi',
      parameters: new Map([['ssl-mode', 'REQUIRED']]),
    })
    expect(readAddress({ url, host: 'other', port: 1, database: 'more' }, KIND)).toMatchObject({ host: 'other', port: 1, database: 'more' })
    expect(readAddress({ url: 'mysql://[::1]/taxi' }, KIND)).toMatchObject({ host: '::1', port: 3306, user: undefined })
  })
  test('that is none is named by what is wrong with it', () => {
    const codeOf = (url: string) => {
      try {
        return readAddress({ url }, KIND)
      } catch (error) {
        return String((error as Error).message)
      }
    }
    expect(codeOf('nonsense')).toBe('The address of the mysql store is not valid: it is no URL.')
    expect(codeOf('http://host/x')).toBe('The address of the mysql store is not valid: it begins with http://.')
    expect(codeOf('mysql://host')).toBe('The address of the mysql store is not valid: it names no database.')
    expect(codeOf('mysql://host/%zz')).toBe(
      'The address of the mysql store is not valid: a "%" in it is not followed by two hexadecimal digits.',
    )
  })
  test('is described without user and password, and its password is in no message', () => {
    const url = 'postgresql://someone:correct-horse@db.example.com/taxi'
    expect(postgres({ url }).describe()).toBe('postgres at db.example.com:5432/taxi')
    readAddress({ url: url.replace('postgresql', 'mysql') }, KIND)
    expect(redact('no: correct-horse')).not.toContain('correct-horse')
  })
  test('that is not set is told before anything is opened', async () => {
    vi.stubEnv('SLUICE_NO_SUCH_URL', '')
    const store = mysql({ url: env('SLUICE_NO_SUCH_URL') })
    expect(store.lacking()).toBe('SLUICE_NO_SUCH_URL')
    expect(store.describe()).toBe('mysql at env(SLUICE_NO_SUCH_URL)')
    await expect(store.open({ projectFolder: '.' })).rejects.toMatchObject({ code: 'SECRET_NOT_SET' })
  })
})
