import { type Adviser, whole } from './advice.js'

/**
 * Every tenth commit writes one, so a hundred say that something keeps it from being written, or that the table's interval is long. On a disk
 * fewer are replayed as quickly as a log checkpoint is read.
 */
const FEWEST_COMMITS = 100

/** A log that every reader replays from far back. */
export const checkpoint: Adviser = {
  id: 'checkpoint',
  advise: ({ datasets }) =>
    datasets.flatMap(({ name, table }) => {
      if (table === undefined || table.commitsSinceCheckpoint < FEWEST_COMMITS) return []
      const { commitsSinceCheckpoint: commits, checkpointInterval } = table
      return [
        {
          id: 'checkpoint',
          about: name,
          title: `${whole(commits)} commits since the last log checkpoint`,
          evidence: [
            { what: 'commits that each reader replays', value: commits, unit: 'count' },
            { what: "the table's checkpoint interval", value: checkpointInterval, unit: 'count' },
          ],
          expected: 'Opening the table reads one log checkpoint and the commits after it.',
          how:
            checkpointInterval >= FEWEST_COMMITS
              ? `sluice table checkpoint ${name}; and set the property delta.checkpointInterval to 10, so that it need not be done by hand.`
              : `sluice table checkpoint ${name}`,
          impact: commits >= 2_000 ? 'high' : commits >= 500 ? 'medium' : 'low',
          trial: { change: 'checkpoint' },
        },
      ]
    }),
}
