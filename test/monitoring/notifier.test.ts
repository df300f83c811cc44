import { describe, expect, test } from 'vitest'
import { emptyNotifierState, Notifier, type NotifierState, type Silence } from '../../src/monitoring/notifier.js'
import type { StandingAlert } from '../../src/monitoring/standing.js'
import { type NotificationsDefinition, notifications, receiver } from '../../src/observability/index.js'

const team = receiver('team', { slack: { url: 'http://127.0.0.1/slack' } })
const oncall = receiver('oncall', { pagerDuty: { routingKey: 'key' }, logFile: 'pages.log' })

function standing(text: string): StandingAlert {
  const [alert = '', severity = '', dataset] = text.split(' ')
  return {
    alert,
    severity: severity as StandingAlert['severity'],
    labels: { alertname: alert, severity, ...(dataset === undefined ? {} : { dataset }) },
    value: 1,
    since: 0,
    summary: alert,
    description: '',
  }
}

interface Turn {
  /** Seconds. */
  readonly at: number
  readonly firing: readonly string[]
  /** `slack firing A b, resolved C`: by channel, what each message says. */
  readonly says: readonly string[]
  readonly silences?: readonly Silence[]
  /** Channels that are down at this turn. */
  readonly down?: readonly string[]
}

/** Plays turns, each by a new notifier that has only the JSON of the one before it: every case is one of restarts too. */
function play(definition: NotificationsDefinition, turns: readonly Turn[]): void {
  let state: NotifierState = emptyNotifierState()
  for (const { at, firing, says, silences = [], down = [] } of turns) {
    const notifier = new Notifier(notifications(definition), JSON.parse(JSON.stringify(state)) as NotifierState)
    const { messages, told } = notifier.due(firing.map(standing), silences, at * 1000)
    const said = messages.map((message) => {
      const channel = Object.keys(message.receiver)
        .filter((key) => key !== 'name')
        .join('+')
      if (!down.includes(channel)) told(message)
      const notices = message.notices.map(({ status, alert }) => [status, alert.alert, alert.labels['dataset'] ?? ''].join(' ').trim())
      return `${channel} ${notices.join(', ')}`
    })
    expect(said.sort(), `at ${at} s`).toEqual([...says].sort())
    state = notifier.state
  }
}

const quick = { default: team, groupWait: '0s', groupInterval: '10s', repeat: '60s' } as const

describe('who is told of what, and when', () => {
  const cases: readonly (readonly [name: string, definition: NotificationsDefinition, turns: readonly Turn[]])[] = [
    [
      'a route has its own repeat, whatever else goes to the same receiver in the same group',
      { ...quick, groupBy: ['dataset'], repeat: '600s', routes: [{ to: team, match: { severity: 'critical' }, repeat: '60s' }] },
      [
        { at: 0, firing: ['A warning x', 'B critical y'], says: ['slack firing A x', 'slack firing B y'] },
        { at: 10, firing: ['A warning x', 'B critical y'], says: [] },
        { at: 80, firing: ['A warning x', 'B critical y'], says: ['slack firing B y'] },
      ],
    ],
    [
      'a clock that was put back keeps nobody waiting until it has caught up',
      quick,
      [
        { at: 100_000, firing: ['A warning x'], says: ['slack firing A x'] },
        { at: 50_000, firing: [], says: [] },
        { at: 50_011, firing: [], says: ['slack resolved A x'] },
      ],
    ],
    [
      'a new group waits a little for more, and tells of all at once',
      { ...quick, groupWait: '30s', groupBy: ['alertname'] },
      [
        { at: 0, firing: ['A warning x'], says: [] },
        { at: 20, firing: ['A warning x', 'A warning y'], says: [] },
        { at: 30, firing: ['A warning x', 'A warning y'], says: ['slack firing A x, firing A y'] },
        { at: 40, firing: ['A warning x', 'A warning y'], says: [] },
      ],
    ],
    [
      'what has gone before it was told of is never told of, and waits anew when it comes again',
      { ...quick, groupWait: '30s' },
      [
        { at: 0, firing: ['A warning x', 'B warning y'], says: [] },
        { at: 20, firing: ['B warning y'], says: [] },
        { at: 30, firing: ['B warning y'], says: ['slack firing B y'] },
        { at: 40, firing: ['A warning x', 'B warning y'], says: [] },
        { at: 70, firing: ['A warning x', 'B warning y'], says: ['slack firing A x'] },
      ],
    ],
    [
      'a changed group is told of at its next interval, one that stays at its repeat time',
      { ...quick, groupBy: ['alertname'] },
      [
        { at: 0, firing: ['A warning x'], says: ['slack firing A x'] },
        { at: 5, firing: ['A warning x', 'A warning y'], says: [] },
        { at: 10, firing: ['A warning x', 'A warning y'], says: ['slack firing A x, firing A y'] },
        { at: 60, firing: ['A warning x', 'A warning y'], says: [] },
        { at: 70, firing: ['A warning x', 'A warning y'], says: ['slack firing A x, firing A y'] },
      ],
    ],
    [
      'an end is told of once, to whom the beginning was',
      quick,
      [
        { at: 0, firing: ['A warning x'], says: ['slack firing A x'] },
        { at: 5, firing: [], says: [] },
        { at: 10, firing: [], says: ['slack resolved A x'] },
        { at: 80, firing: [], says: [] },
      ],
    ],
    [
      'what comes again before its end was told of has not ended',
      quick,
      [
        { at: 0, firing: ['A warning x'], says: ['slack firing A x'] },
        { at: 5, firing: [], says: [] },
        { at: 10, firing: ['A warning x'], says: [] },
      ],
    ],
    [
      'routes go by severity, each with its own repeat, and every channel of a receiver is told',
      { ...quick, routes: [{ to: oncall, match: { severity: 'critical' }, repeat: '20s' }] },
      [
        { at: 0, firing: ['A critical x', 'B warning y'], says: ['pagerDuty firing A x', 'logFile firing A x', 'slack firing B y'] },
        { at: 20, firing: ['A critical x', 'B warning y'], says: ['pagerDuty firing A x', 'logFile firing A x'] },
        { at: 60, firing: ['A critical x', 'B warning y'], says: ['pagerDuty firing A x', 'logFile firing A x', 'slack firing B y'] },
      ],
    ],
    [
      'a critical alert keeps a warning of the same dataset quiet, and no other',
      quick,
      [
        { at: 0, firing: ['A critical x', 'B warning x', 'B warning y'], says: ['slack firing A x', 'slack firing B y'] },
        { at: 30, firing: ['B warning x', 'B warning y'], says: ['slack resolved A x', 'slack firing B x'] },
      ],
    ],
    [
      'a rule of the project keeps another quiet',
      { ...quick, inhibit: [{ source: { alertname: 'A', dataset: 'x' }, target: { alertname: 'B', dataset: ['y', 'z'] }, equal: [] }] },
      [{ at: 0, firing: ['A info x', 'B info x', 'B info y', 'B info z'], says: ['slack firing A x', 'slack firing B x'] }],
    ],
    [
      'a silence keeps quiet until it runs out; what is silenced from the first is told of then',
      quick,
      [
        { at: 0, firing: ['A warning x', 'A warning y'], silences: [quiet({ dataset: 'x' }, 20)], says: ['slack firing A y'] },
        { at: 10, firing: ['A warning x', 'A warning y'], silences: [quiet({ dataset: 'x' }, 20)], says: [] },
        { at: 20, firing: ['A warning x', 'A warning y'], silences: [quiet({ dataset: 'x' }, 20)], says: ['slack firing A x'] },
      ],
    ],
    [
      'a silence stops repeats too, and asks for all of its labels',
      quick,
      [
        { at: 0, firing: ['A warning x', 'B warning x'], says: ['slack firing A x', 'slack firing B x'] },
        {
          at: 60,
          firing: ['A warning x', 'B warning x'],
          silences: [quiet({ dataset: 'x', alertname: 'A' }, 99)],
          says: ['slack firing B x'],
        },
      ],
    ],
    [
      'a channel that is down is told at the next turn; the others are not told twice',
      { ...quick, default: oncall },
      [
        { at: 0, firing: ['A warning x'], down: ['pagerDuty'], says: ['pagerDuty firing A x', 'logFile firing A x'] },
        { at: 1, firing: ['A warning x'], down: ['pagerDuty'], says: ['pagerDuty firing A x'] },
        { at: 2, firing: ['A warning x'], says: ['pagerDuty firing A x'] },
        { at: 3, firing: ['A warning x'], says: [] },
        { at: 20, firing: [], down: ['pagerDuty'], says: ['pagerDuty resolved A x', 'logFile resolved A x'] },
        { at: 21, firing: [], says: ['pagerDuty resolved A x'] },
        { at: 99, firing: [], says: [] },
      ],
    ],
    [
      'a receiver without channels is nobody',
      { ...quick, default: receiver('nobody', {}) },
      [{ at: 0, firing: ['A warning x'], says: [] }],
    ],
  ]

  test.each(cases)('%s', (_, definition, turns) => {
    play(definition, turns)
  })

  test('it remembers nothing of what has ended', () => {
    const notifier = new Notifier(notifications(quick))
    for (const [at, firing] of [
      [0, ['A warning x', 'B critical y']],
      [10, []],
    ] as const) {
      const { messages, told } = notifier.due(firing.map(standing), [], at * 1000)
      messages.forEach(told)
    }
    expect(notifier.state).toEqual(emptyNotifierState())
  })
})

function quiet(matchers: Readonly<Record<string, string>>, untilSecond: number): Silence {
  return { id: 'q', matchers, until: untilSecond * 1000, comment: '' }
}
