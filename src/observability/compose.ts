import { generatedYaml } from './generated.js'

/** Versions that the stack is pinned to; each takes a file as `prometheusConfig`, `alertmanagerConfig` and `grafanaProvisioning` write it. */
const IMAGES = {
  prometheus: 'prom/prometheus:v3.5.0',
  pushgateway: 'prom/pushgateway:v1.11.1',
  alertmanager: 'prom/alertmanager:v0.28.1',
  grafana: 'grafana/grafana:12.1.1',
} as const

export interface ComposeOptions {
  /** Names of the secrets that Alertmanager reads from files: `secretNames(notifications)`. */
  readonly secrets?: readonly string[]
  /** Folders beside the compose file. Defaults: `prometheus`, `alertmanager`, `grafana`. */
  readonly folders?: { readonly prometheus?: string; readonly alertmanager?: string; readonly grafana?: string }
  /** How long samples are kept. Default `30d`. */
  readonly retention?: string
  /** Whether Grafana has a MySQL data source: it is then told where by `MYSQL_HOST`, and whose user it is by `GRAFANA_MYSQL_USER`. */
  readonly mysql?: boolean
  /** Ports on this machine alone. Defaults 9090, 9091, 9093, 3000. */
  readonly ports?: {
    readonly prometheus?: number
    readonly pushgateway?: number
    readonly alertmanager?: number
    readonly grafana?: number
  }
}

/**
 * `compose.yml` of the whole stack, for `docker compose up`. What it serves can be reached from this machine alone. Grafana does not start
 * without `GRAFANA_ADMIN_PASSWORD`; Alertmanager's secrets are the files
 * `secrets/NAME` beside it, which its user (65534 in the image) must be able to read.
 */
export function composeStack(options: ComposeOptions = {}): string {
  const { secrets = [], folders = {}, ports = {}, retention = '30d' } = options
  const document = {
    services: {
      prometheus: {
        image: IMAGES.prometheus,
        command: [
          '--config.file=/etc/prometheus/prometheus.yml',
          '--storage.tsdb.path=/prometheus',
          `--storage.tsdb.retention.time=${retention}`,
          '--enable-feature=exemplar-storage',
        ],
        volumes: [`./${folders.prometheus ?? 'prometheus'}:/etc/prometheus:ro`, 'prometheus:/prometheus'],
        // The processes that are watched run outside of the containers.
        extra_hosts: ['host.docker.internal:host-gateway'],
        ...served(ports.prometheus ?? 9090, 9090, '/-/healthy'),
      },
      pushgateway: {
        image: IMAGES.pushgateway,
        command: ['--persistence.file=/pushgateway/metrics'],
        volumes: ['pushgateway:/pushgateway'],
        ...served(ports.pushgateway ?? 9091, 9091, '/-/healthy'),
      },
      alertmanager: {
        image: IMAGES.alertmanager,
        command: ['--config.file=/etc/alertmanager/alertmanager.yml', '--storage.path=/alertmanager', '--cluster.listen-address='],
        volumes: [
          `./${folders.alertmanager ?? 'alertmanager'}/alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro`,
          'alertmanager:/alertmanager',
        ],
        ...(secrets.length === 0
          ? {}
          : { secrets: secrets.map((name) => ({ source: name, target: `/etc/alertmanager/secrets/${name}` })) }),
        ...served(ports.alertmanager ?? 9093, 9093, '/-/healthy'),
      },
      grafana: {
        image: IMAGES.grafana,
        environment: {
          GF_SECURITY_ADMIN_PASSWORD: required('GRAFANA_ADMIN_PASSWORD', 'set a password for Grafana'),
          GF_USERS_ALLOW_SIGN_UP: 'false',
          GF_ANALYTICS_REPORTING_ENABLED: 'false',
          ...(options.mysql === true ? mysqlEnvironment() : {}),
        },
        volumes: [
          `./${folders.grafana ?? 'grafana'}/provisioning:/etc/grafana/provisioning:ro`,
          `./${folders.grafana ?? 'grafana'}/dashboards:/var/lib/grafana/dashboards:ro`,
          'grafana:/var/lib/grafana',
        ],
        depends_on: { prometheus: { condition: 'service_healthy' } },
        ...served(ports.grafana ?? 3000, 3000, '/api/health'),
      },
    },
    volumes: { prometheus: {}, pushgateway: {}, alertmanager: {}, grafana: {} },
    ...(secrets.length === 0 ? {} : { secrets: Object.fromEntries(secrets.map((name) => [name, { file: `./secrets/${name}` }])) }),
  }
  return generatedYaml('sluice generate compose', document)
}

/** What the provisioned data source reads. The user is Grafana's own: whoever may edit a panel may run any SQL that its user may. */
function mysqlEnvironment(): object {
  return {
    MYSQL_HOST: required('MYSQL_HOST', 'set host:port of the MySQL that Grafana draws from'),
    MYSQL_DATABASE: required('MYSQL_DATABASE', 'set the database that Grafana draws from'),
    MYSQL_USER: required('GRAFANA_MYSQL_USER', 'set a MySQL user that may only SELECT'),
    MYSQL_PASSWORD: required('GRAFANA_MYSQL_PASSWORD', 'set the password of that user'),
  }
}

/** A port on this machine alone, and a look at it now and then; each image has busybox's or GNU's wget. */
function served(outside: number, inside: number, path: string): object {
  return {
    ports: [`127.0.0.1:${outside}:${inside}`],
    healthcheck: {
      test: ['CMD', 'wget', '-q', '-O', '/dev/null', `http://127.0.0.1:${inside}${path}`],
      interval: '10s',
      timeout: '3s',
      retries: 6,
    },
    restart: 'unless-stopped',
  }
}

/** Compose stops with the reason when the variable is not set. */
function required(variable: string, reason: string): string {
  return `\${${variable}:?${reason}}`
}
