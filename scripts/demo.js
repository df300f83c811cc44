// `npm run demo`: builds if needed, then runs the taxi lakehouse on its embedded default. Words after `--` go to `sluice run`.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { build, root } from './build.js'

if (build()) {
  const words = ['bin/sluice.js', 'run', '--project', 'examples/nyc-taxi', ...process.argv.slice(2)]
  const run = spawn(process.execPath, words, { cwd: root, stdio: 'inherit' })
  // The terminal sends Ctrl-C to both; the run decides how it ends, and its exit code is ours.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => run.kill('SIGTERM'))
  run.on('close', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal]
  })
} else {
  process.exitCode = 1
}
