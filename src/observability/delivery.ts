import { failure, messageOf, PUSH_FAILED, PUSH_REFUSED } from '../errors/index.js'

export interface Delivery {
  readonly method: 'PUT' | 'POST'
  /** May carry `user:password@`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** What messages call the address, where all of it is secret; otherwise the address without a password. */
  readonly shown?: string
  readonly signal?: AbortSignal | undefined
}

/** Milliseconds: what OTLP's exporters wait, and a Pushgateway answers in far less. */
const PATIENCE = 10_000

/** Answers that say "later", not "never". */
const LATER = new Set([408, 425, 429])

/**
 * Sends it, and answers what the receiver said.
 *
 * Throws PUSH_FAILED when it may be taken later, PUSH_REFUSED when it never will be, and the signal's own reason when that is aborted.
 */
export async function deliver({ method, url, headers, body, signal, shown = shownAddress(url) }: Delivery): Promise<string> {
  const { target, authorization } = addressed(url, shown)
  const patience = AbortSignal.timeout(PATIENCE)
  try {
    const response = await fetch(target, {
      method,
      headers: { ...authorization, ...headers },
      body,
      signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
    })
    const said = await response.text()
    if (response.ok) return said
    const problem = `${response.status} ${response.statusText}${said.trim() === '' ? '' : `: ${said.trim().slice(0, 500)}`}`
    throw failure(response.status >= 500 || LATER.has(response.status) ? PUSH_FAILED : PUSH_REFUSED, { url: shown, problem })
  } catch (thrown) {
    signal?.throwIfAborted()
    if (patience.aborted) throw failure(PUSH_FAILED, { url: shown, problem: `no answer in ${PATIENCE / 1000} s` }, { cause: thrown })
    if (!(thrown instanceof TypeError)) throw thrown
    throw failure(PUSH_FAILED, { url: shown, problem: messageOf(thrown.cause ?? thrown) }, { cause: thrown })
  }
}

/** An address as a message may show it: without `user:password@`, even where it is no address after all. */
export function shownAddress(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1')
}

/** `fetch` takes no password in an address. */
function addressed(url: string, shown: string): { target: string; authorization: Record<string, string> } {
  if (!URL.canParse(url)) throw failure(PUSH_REFUSED, { url: shown, problem: 'this is no address' })
  const target = new URL(url)
  const { username, password } = target
  if (username === '' && password === '') return { target: url, authorization: {} }
  target.username = ''
  target.password = ''
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { target: target.href, authorization: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } }
}
