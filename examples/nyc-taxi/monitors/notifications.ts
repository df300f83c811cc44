import { notifications, receiver } from 'sluice/observability'

/** Lines in a file. To tell people, give it a channel: the secret is read from the environment, and never written down. */
const team = receiver('trips', {
  logFile: 'logs/alerts.log',
  // slack: { url: env('SLACK_WEBHOOK_URL'), channel: '#trips' },
  // email: { to: ['trips@example.com'], from: 'sluice@example.com', smtp: 'mail.example.com:587', password: env('SMTP_PASSWORD') },
  // pagerDuty: { routingKey: env('PAGERDUTY_ROUTING_KEY') },
})

export const told = notifications({
  default: team,
  routes: [{ to: team, match: { severity: 'critical' }, repeat: '1h' }],
})
