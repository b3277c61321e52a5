/**
 * `values.schema.json` from `values.yaml`: types from its defaults, descriptions from its comments, and what neither says from the tables
 * here. So a value is described once, and a name that is misspelt is refused before anything is installed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { natsSettings, redisSettings } from '@penstock/runtime';
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { consoleConfig } from '../../services/console/config.ts';
import { simConfig } from '../../services/engine-sim/config.ts';
import { ingressConfig } from '../../services/ingress/config.ts';
import { scalerConfig } from '../../services/scaler/config.ts';
import { tasksConfig } from '../../services/tasks/config.ts';
import { workerConfig } from '../../services/worker/config.ts';
import { CHART, type Component, environmentOf, settingOf } from './env-names.ts';

export interface Schema {
  readonly [keyword: string]: unknown;
}

/** One row of the table of values. */
export interface Value {
  readonly path: string;
  readonly description: string;
  readonly fallback: string;
}

const SETTINGS: Readonly<Record<Component, readonly string[]>> = {
  ingress: Object.keys(ingressConfig.shape),
  worker: [...Object.keys(workerConfig.shape), ...Object.keys(simConfig.shape)],
  tasks: Object.keys(tasksConfig.shape),
  console: Object.keys(consoleConfig.shape),
  scaler: Object.keys(scalerConfig.shape),
};
/** Ports that Services and probes name, and names that no two pods may share. */
const FIXED =
  /^PENSTOCK_(PORT|CONSOLE_PORT|SIM_PORT|SIM_HOST|SIM_ENGINES|INGRESS_ID|WORKER_ID|TASKS_ID|CONSOLE_ID|SCALER_ID|POOL|SCALE_START_MS|SCALE_WEBHOOK_URL|SCALE_WEBHOOK_SECRET|WEBHOOK_ALLOW)$/;

/** Logins and certificates are secrets: the chart puts them into the URLs, which are files, and authorities into `tls.caSecret`. */
const OF_SERVERS = new Set(Object.keys({ ...natsSettings, ...redisSettings }));
/** Keys and certificates that the chart has no place for: whoever needs them mounts them with a chart of their own around this one. */
const NO_PLACE = /^PENSTOCK_(ENGINE_(CA|CERT|KEY)|FILES_S3_CA)$/;

/** Objects of Kubernetes' own: it checks them. */
const FREE = new Set([
  ...['resources', 'annotations', 'labels', 'podAnnotations', 'podLabels', 'nodeSelector', 'affinity'],
  ...['securityContext', 'strategy', 'aliases', 'defaults', 'fallbacks'],
]);
const COUNT = { minimum: 1 };
/** By the last part of a path. */
const OF_NAME: Readonly<Record<string, Schema>> = {
  pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
  maxUnavailable: { type: ['integer', 'string'] },
  maxReplicas: COUNT,
  replicas: { minimum: 0 },
  minReplicas: { minimum: 0 },
  fallbackReplicas: COUNT,
  drainSeconds: { minimum: 0, maximum: 86_400 },
  lameDuckSeconds: { minimum: 0, maximum: 600 },
  port: { minimum: 1, maximum: 65_535 },
  slots: { minimum: 1, maximum: 4096 },
  utilization: { exclusiveMinimum: 0, maximum: 1 },
};
const OF_PATH: Readonly<Record<string, Schema>> = {
  region: { pattern: '^[a-z0-9_-]{1,48}$' },
  shards: { minimum: 1, maximum: 64 },
  logLevel: { enum: ['trace', 'debug', 'info', 'warn', 'error', 'silent'] },
  trailSample: { type: 'number', minimum: 0, maximum: 1 },
  'autoscaling.provider': { enum: ['builtin', 'keda', 'hpa', 'none'] },
  'worker.autoscaling.price': { type: 'number', minimum: 0 },
  'worker.autoscaling.speed': { type: 'number', exclusiveMinimum: 0 },
  'worker.autoscaling.startSeconds': { minimum: 0 },
  'expose.kind': { enum: ['none', 'gateway', 'ingress'] },
  'tracing.ratio': { minimum: 0, maximum: 1 },
  'worker.autoscaling.source': { enum: ['nats', 'prometheus'] },
  'ingress.service.type': { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
  'console.service.type': { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
  'encryption.mode': { enum: ['on', 'off'] },
  'encryption.queue': { enum: ['stored', 'all'] },
  'files.s3.sse': { enum: ['', 'AES256', 'aws:kms'] },
  'nats.bundled.maxFileStore': { pattern: '^[0-9]+[KMGT]$' },
  'image.tag': { type: ['string', 'number'] },
  'tasks.replicas': COUNT,
  'nats.replicas': { minimum: 1, maximum: 5 },
};
/** What means the same wherever it stands. */
const COMMON: Readonly<Record<string, string>> = {
  settings: 'Further settings (docs/configuration.md), by name.',
  resources: 'Requests and limits of the container.',
  annotations: 'Annotations.',
  podAnnotations: 'Annotations of its pods.',
  podLabels: 'Labels of its pods, beside the chart’s own.',
  nodeSelector: 'Labels of the nodes that it may run on.',
  tolerations: 'Taints that it tolerates.',
  affinity: 'Affinity of its pods; they spread over zones and nodes in any case.',
  priorityClassName: 'PriorityClass of its pods.',
  maxUnavailable: 'Pods that a drain of nodes may take at once.',
  replicas: 'Pods.',
  minReplicas: 'Least pods of the autoscaler.',
  maxReplicas: 'Most pods of the autoscaler.',
  cpuUtilization: 'Share of the CPU request, %, above which there are more pods.',
  lameDuckSeconds: 'How long a pod that ends still takes connections.',
  enabled: 'Whether it is there.',
  existingSecret: 'Name of a Secret of yours.',
  key: 'Key in that Secret.',
  name: 'Name of a Secret of yours.',
  port: 'Port.',
  type: 'Type of the Service.',
  image: 'Image.',
  imagePullPolicy: 'Always, IfNotPresent or Never.',
  pullPolicy: 'Always, IfNotPresent or Never.',
  interactive: 'Of a request of this lane.',
  background: 'Of a request of this lane.',
  batch: 'Of a request of this lane.',
  stabilizationSeconds: 'How long less, or more, has to be wanted.',
  pods: 'Workers at once.',
  percent: 'Share of the workers at once.',
  periodSeconds: 'And again after this long.',
  size: 'Size of the volume.',
  storageClassName: 'StorageClass; empty: that of the cluster.',
  accessModes: 'How it can be mounted: all pods of all nodes do.',
  hostnames: 'Names under which it is reached.',
  tls: 'TLS of the Ingress: [{secretName: …, hosts: […]}].',
  className: 'IngressClass.',
};
/** And where it does not. */
const OF_PLACE: Readonly<Record<string, string>> = {
  fullnameOverride: 'In place of the whole name.',
  'files.s3.region': 'Region of the bucket.',
  'files.s3.prefix': 'Prefix of every key.',
  'tracing.sampler': 'As OpenTelemetry names it.',
  'worker.engine.sidecar.command': 'In place of the image’s own.',
  'worker.engine.sidecar.args': 'Its arguments, such as the model.',
  'worker.engine.sidecar.env': 'Its environment.',
  'worker.engine.sidecar.envFrom': 'Its environment from Secrets and ConfigMaps.',
  'worker.engine.sidecar.volumeMounts': 'Where the pool’s `volumes` are mounted.',
  'worker.autoscaling.pollingSeconds': 'How often KEDA looks.',
  'worker.autoscaling.scaleDown': 'No faster than so many workers in so many seconds, after so long below.',
  'worker.autoscaling.scaleUp': 'No faster than by so many percent, or one, in so many seconds.',
  'worker.strategy':
    'How an upgrade replaces workers: one at a time and none beforehand, as GPUs are rarely spare.',
  'monitoring.interval': 'How often they are scraped.',
  'monitoring.rules.enabled': 'The alerts of deploy/observability.',
  'monitoring.dashboards.labels': 'By which Grafana finds them.',
  'expose.gateway.annotations': 'Annotations of the routes.',
};
const POOL_NAME = '^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$';

/** The settings that a user may give a component: those that the chart does not set itself, under their names. */
export function openSettings(component: Component): readonly string[] {
  const taken = new Set(environmentOf(component).map(settingOf));
  return SETTINGS[component]
    .filter(name => !taken.has(name) && !FIXED.test(name) && !OF_SERVERS.has(name) && !NO_PLACE.test(name))
    .sort();
}

function settingsSchema(component: Component): Schema {
  return {
    type: 'object',
    propertyNames: { anyOf: [{ enum: openSettings(component) }, { pattern: '^OTEL_[A-Z_]+$' }] },
    additionalProperties: { type: ['string', 'number', 'boolean'] },
  };
}

function typeOf(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** `# -- text` in front of a value, over several lines; else what is said of it here. */
function descriptionOf(pair: Pair, path: readonly string[]): string {
  const [name = ''] = path.slice(-1);
  return commentOf(pair) || OF_PLACE[path.join('.')] || COMMON[name] || '';
}

function commentOf(pair: Pair): string {
  const key = pair.key as { commentBefore?: string | null };
  const lines = (key.commentBefore ?? '').split('\n').map(line => line.trim());
  const at = lines.findLastIndex(line => line.startsWith('-- '));
  return at < 0 ? '' : lines.slice(at).join(' ').slice(3).trim();
}

class Reader {
  readonly values: Value[] = [];

  properties(map: YAMLMap, path: readonly string[]): Record<string, Schema> {
    // A comment above the first entry of a map is the map's own.
    const first = map.items[0];
    if (first !== undefined && isScalar(first.key) && map.commentBefore)
      first.key.commentBefore ??= map.commentBefore;
    return Object.fromEntries(
      map.items.map(pair => {
        const name = String((pair.key as { value: unknown }).value);
        return [name, this.#schema(pair, [...path, name])];
      }),
    );
  }

  #schema(pair: Pair, path: readonly string[]): Schema {
    const description = descriptionOf(pair, path);
    const about = description === '' ? {} : { description };
    const [name = ''] = path.slice(-1);
    const where = path.join('.');
    if (name === 'settings') {
      this.#list(pair, where, description);
      return { ...about, ...settingsSchema(path[0] as Component) };
    }
    const own = { ...OF_NAME[name], ...OF_PATH[where] };
    const node = pair.value;
    if (isMap(node) && node.items.length > 0 && !FREE.has(name)) {
      if (description !== '') this.values.push({ path: where, description, fallback: '' });
      return {
        ...about,
        type: 'object',
        additionalProperties: false,
        properties: this.properties(node, path),
      };
    }
    this.#list(pair, where, description);
    if (isMap(node)) return { ...about, type: 'object', ...own };
    const value = isScalar(node) ? node.value : [];
    return { ...about, type: Array.isArray(value) ? 'array' : typeOf(value), ...own };
  }

  #list(pair: Pair, path: string, description: string): void {
    const value = (pair.value as { toJSON(): unknown } | null)?.toJSON();
    const text = JSON.stringify(value) ?? '';
    this.values.push({ path, description, fallback: text.length > 60 ? '…' : text });
  }
}

/** @returns the schema, and every value that can be set. */
export function readValues(): { schema: Schema; values: readonly Value[] } {
  const document = parseDocument(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
  const reader = new Reader();
  const properties = reader.properties(document.contents as YAMLMap, []);
  const { worker = {}, pools = {}, ...others } = properties;
  const pool = { $ref: '#/$defs/pool' };
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart penstock',
    type: 'object',
    additionalProperties: false,
    properties: {
      ...others,
      worker: pool,
      pools: {
        ...pools,
        type: 'object',
        propertyNames: { pattern: POOL_NAME },
        additionalProperties: pool,
      },
      // What Helm gives to a chart that is part of another.
      global: { type: 'object' },
    },
    $defs: { pool: worker },
  };
  return { schema, values: reader.values };
}
