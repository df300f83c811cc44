/** Values read from the environment by name, so that no message shows one: an engine's complaint may quote the SQL it was given. */
const known = new Map<string, string>()

/** Shorter values are too common in ordinary text to be told apart from it. */
const SHORTEST = 4

export function keepSecret(name: string, value: string): void {
  if (value.length >= SHORTEST) known.set(value, name)
}

/** `refused 'hunter22'` becomes `refused 'env(PASSWORD)'`. */
export function redact(text: string): string {
  let shown = text
  for (const [value, name] of known) shown = shown.replaceAll(value, `env(${name})`)
  return shown
}
