/** What may stand in an `html` template. Strings and numbers are escaped; `null`, `undefined` and `false` leave nothing behind. */
export type Content = Html | string | number | null | undefined | false | readonly Content[]

/** Markup that is safe to place in a page. Only `html` and `literal` make it, so a string is never taken for markup. */
class Html {
  readonly #markup: string

  constructor(markup: string) {
    this.#markup = markup
  }

  toString(): string {
    return this.#markup
  }
}

export type { Html }

/**
 * Builds markup, escaping every value for text and for quoted attributes.
 *
 *     html`<td title="${name}">${name}</td>`      name is `<b>`   ->   <td title="&lt;b&gt;">&lt;b&gt;</td>
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(strings.reduce((before, after, index) => before + written(values[index - 1]) + after))
}

/** Markup from source text alone. It takes no values: nothing that is known only at run time can pass through it unescaped. */
export function literal(strings: TemplateStringsArray): Html {
  return new Html(strings.join(''))
}

function written(content: Content): string {
  if (content === null || content === undefined || content === false) return ''
  if (content instanceof Html) return content.toString()
  if (typeof content === 'object') return content.map(written).join('')
  return escaped(String(content))
}

const entities: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
  ['`', '&#96;'],
])

function escaped(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => entities.get(character) ?? '').replace(unprintable, pictured)
}

// Control characters, which HTML forbids, and the characters that turn the direction of what follows them: data holds both.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g

/** A stand-in that a reader sees and that does nothing: `␀` for NUL, `[U+202E]` for a right-to-left override. */
function pictured(character: string): string {
  const code = character.charCodeAt(0)
  if (code === 0x7f) return '␡'
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : `[U+${code.toString(16).toUpperCase()}]`
}
