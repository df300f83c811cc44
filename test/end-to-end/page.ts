import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { repository, temporaryFolder } from '../fixtures.js'

/** A block of a page of docs/: `ts`, `sql`, or nothing for what is typed into a terminal. */
export interface Fence {
  readonly language: string
  readonly text: string
}

export function fencesOf(page: string): Fence[] {
  const text = readFileSync(join(repository, 'docs', page), 'utf8')
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', body = '']) => ({ language, text: body }))
}

/** Writes the file that a block is, by the path in its first line: `// monitors/refunds.ts`. False for a block without one. */
export function writeFence({ text }: Fence, project: string): boolean {
  const path = /^(?:\/\/|--) (\S+\.\w+)\n/.exec(text)?.[1]
  if (path === undefined) return false
  mkdirSync(dirname(join(project, path)), { recursive: true })
  writeFileSync(join(project, path), text)
  return true
}

/** A folder for PATH in which there is a `sluice`. */
export function sluiceForShells(): string {
  const folder = temporaryFolder()
  const command = `#!/bin/sh\nexec '${process.execPath}' '${join(repository, 'bin', 'sluice.js')}' "$@"\n`
  writeFileSync(join(folder, 'sluice'), command, { mode: 0o755 })
  return folder
}

/** Types each line that begins with `$ ` in a project's folder, and holds what is printed against what the page says; answers how many there were. */
export async function typeAll({ text }: Fence, project: string, path: string): Promise<number> {
  const typings = text.split(/^(?=\$ )/m)
  for (const part of typings) {
    const [typed = '', ...wanted] = part.trimEnd().split('\n')
    expectPrinted(typed, await typedIn(typed.slice('$ '.length), project, path), wanted)
  }
  return typings.length
}

async function typedIn(command: string, project: string, path: string): Promise<string> {
  const env = { ...process.env, NO_COLOR: '1', PATH: `${path}:${process.env['PATH']}` }
  // A command that finds something firing, refused or different exits 1, as the pages say.
  const done = promisify(execFile)('/bin/sh', ['-c', `${command} 2>&1`], { cwd: project, env })
  return (await done.catch((failed: { stdout: string; stderr: string }) => failed)).stdout
}

/** Line by line; `...` stands for any lines, and times, sizes of time, ids and moments may be others. */
function expectPrinted(command: string, printed: string, wanted: readonly string[]): void {
  const alike = (text: string) =>
    text
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'MOMENT')
      .replaceAll(/\b[0-9a-f]{8}\b/g, 'ID')
      .replaceAll(/\b[\d.]+ (ms|s|min|h|d)( \d+ (s|min|h|d))?\b/g, 'TIME')
      .replaceAll(/-{3,}/g, '---')
      .replaceAll(/ {2,}/g, '  ')
      .trim()
  const lines = printed.trimEnd().split('\n').map(alike)
  let at = 0
  let anything = false
  for (const line of wanted) {
    if (line === '...') {
      anything = true
      continue
    }
    const found = anything ? lines.indexOf(alike(line), at) : at
    expect(lines[found], `${command}\n${printed}`).toBe(alike(line))
    at = found + 1
    anything = false
  }
  if (!anything && wanted.length > 0) expect(lines.slice(at), `${command}\n${printed}`).toEqual([])
}
