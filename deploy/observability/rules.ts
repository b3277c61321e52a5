/**
 * Alerts, and the recording rules that they need. `npm run observability` writes them to alerts.yml: the groups of a Prometheus rule
 * file, which are the `spec.groups` of a PrometheusRule too.
 */

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: 'critical' | 'warning' };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    readonly runbook_url: string;
  };
}

export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly (RecordingRule | AlertRule)[];
}

/** A first token within this, seconds, is good; a bound of a bucket. */
export const SLO_SECONDS = 2.5;
/** Share of first tokens that may be late. */
const BUDGET = 0.05;
/** How much faster than allowed the budget of 30 days burns: 2 % of it in an hour, 5 % in six hours. */
const BURNS = { fast: 14.4, slow: 6 } as const;
const WINDOWS = ['5m', '30m', '1h', '6h'] as const;

/** The share of interactive first tokens that came late, by model. */
export function lateRatio(window: (typeof WINDOWS)[number]): string {
  return `penstock:time_to_first_token_late:ratio_rate${window}`;
}

function recordLate(window: (typeof WINDOWS)[number]): RecordingRule {
  const rate = (suffix: string, bound = '') =>
    `sum by (model) (rate(penstock_time_to_first_token_seconds_${suffix}{lane="interactive"${bound}}[${window}]))`;
  return {
    record: lateRatio(window),
    expr: `1 - ${rate('bucket', `,le="${SLO_SECONDS}"`)} / (${rate('count')} > 0)`,
  };
}

/** Both windows: the long one says that it matters, the short one that it goes on. */
function burning(long: (typeof WINDOWS)[number], short: (typeof WINDOWS)[number], factor: number): string {
  const over = (window: (typeof WINDOWS)[number]) =>
    `${lateRatio(window)} > ${Number((factor * BUDGET).toFixed(4))}`;
  return `${over(long)} and ${over(short)}`;
}

function alert(
  name: string,
  severity: 'critical' | 'warning',
  lasting: string,
  runbook: string,
  about: { readonly expr: string; readonly summary: string; readonly description: string },
): AlertRule {
  const { expr, summary, description } = about;
  return {
    ...{ alert: name, expr, for: lasting, labels: { severity } },
    annotations: { summary, description, runbook_url: `docs/runbooks/${runbook}.md` },
  };
}

const FIRST_TOKENS: RuleGroup = {
  name: 'penstock-first-tokens',
  rules: [
    ...WINDOWS.map(recordLate),
    alert('PenstockFirstTokensLateFast', 'critical', '2m', 'first-tokens-late', {
      expr: burning('1h', '5m', BURNS.fast),
      summary: 'First tokens of {{ $labels.model }} come late, and fast more of them',
      description: `{{ $value | humanizePercentage }} of the interactive first tokens of {{ $labels.model }} took more than ${SLO_SECONDS} s in the last hour, and in the last five minutes too.`,
    }),
    alert('PenstockFirstTokensLateSlow', 'warning', '15m', 'first-tokens-late', {
      expr: burning('6h', '30m', BURNS.slow),
      summary: 'First tokens of {{ $labels.model }} have come late for hours',
      description: `{{ $value | humanizePercentage }} of the interactive first tokens of {{ $labels.model }} took more than ${SLO_SECONDS} s in the last six hours, and in the last half hour too.`,
    }),
  ],
};

const QUEUE: RuleGroup = {
  name: 'penstock-queue',
  rules: [
    alert('PenstockBacklogOld', 'critical', '1m', 'backlog', {
      expr: 'max by (model, lane) (penstock_queue_oldest_age_seconds{lane="interactive"}) > 30',
      summary: 'Requests for {{ $labels.model }} wait for a worker',
      description:
        'The oldest interactive request for {{ $labels.model }} has waited {{ $value | humanizeDuration }} for its first worker.',
    }),
    alert('PenstockStoredBacklogOld', 'warning', '10m', 'backlog', {
      expr: 'max by (model, lane) (penstock_queue_oldest_age_seconds{lane="background"}) > 3600',
      summary: 'Stored work for {{ $labels.model }} is not begun',
      description:
        'The oldest job or background response for {{ $labels.model }} has waited {{ $value | humanizeDuration }} for a worker.',
    }),
    alert('PenstockModelWithoutWorker', 'critical', '1m', 'model-without-worker', {
      expr: '(max by (model) (penstock_model_workers) == 0) and on (model) (sum by (model) (max by (model, lane) (penstock_queue_size)) > 0)',
      summary: 'Nobody serves {{ $labels.model }}, and requests wait for it',
      description:
        'No worker of {{ $labels.model }} takes work: all are away, sick or draining. Requests wait until their time is up.',
    }),
    alert('PenstockDeadLetters', 'warning', '0m', 'dead-letters', {
      expr: 'max(penstock_dead_letters) - max(penstock_dead_letters offset 15m) > 0',
      summary: 'Requests failed on every attempt',
      description: '{{ $value }} more dead letters than a quarter of an hour ago.',
    }),
    alert('PenstockBrokerNearlyFull', 'critical', '2m', 'nearly-full', {
      expr: 'max by (shard) (penstock_stream_bytes / penstock_stream_limit_bytes) > 0.8 or max by (shard) (penstock_stream_messages / penstock_stream_messages_limit) > 0.8',
      summary: 'The queue of shard {{ $labels.shard }} is nearly full',
      description:
        'The work stream of shard {{ $labels.shard }} is {{ $value | humanizePercentage }} full. When it is full, new requests get 429.',
    }),
  ],
};

const WORKERS: RuleGroup = {
  name: 'penstock-workers',
  rules: [
    alert('PenstockWorkersSick', 'critical', '1m', 'sick-workers', {
      expr: 'count(penstock_engine_healthy == 0) / count(penstock_engine_healthy) > 0.2',
      summary: 'Many engines are sick',
      description:
        '{{ $value | humanizePercentage }} of the workers do not pull because their engines do not answer or fail requests.',
    }),
    alert('PenstockWorkerSick', 'warning', '10m', 'sick-workers', {
      expr: 'penstock_engine_healthy == 0',
      summary: 'The engine of {{ $labels.instance }} is sick',
      description:
        'The worker at {{ $labels.instance }} has not pulled for ten minutes because its engine does not answer or fails requests.',
    }),
    alert('PenstockRepliesPileUp', 'critical', '1m', 'replies-pile-up', {
      expr: 'penstock_worker_pending_reply_bytes > 33554432',
      summary: 'Redis does not take the answers of {{ $labels.instance }}',
      description:
        '{{ $value | humanize1024 }}B of answers wait at {{ $labels.instance }} for Redis. From 64 MiB on the worker takes nothing new.',
    }),
  ],
};

const STORES: RuleGroup = {
  name: 'penstock-stores',
  rules: [
    alert('PenstockRedisNearlyFull', 'critical', '5m', 'nearly-full', {
      expr: 'max(penstock_redis_used_bytes / penstock_redis_limit_bytes) > 0.8',
      summary: 'Redis is nearly full',
      description:
        'Redis uses {{ $value | humanizePercentage }} of its maxmemory. When it is full, nothing is accepted and no answer arrives.',
    }),
    alert('PenstockOutboxOld', 'warning', '2m', 'outbox', {
      expr: 'max(penstock_webhook_outbox_age_seconds) > 60',
      summary: 'Webhook events are not handed out',
      description:
        'The oldest event in the outbox is {{ $value | humanizeDuration }} old. Tasks processes hand them out within milliseconds.',
    }),
    alert('PenstockRegionUnseen', 'warning', '5m', 'region-unseen', {
      expr: 'absent(penstock_stream_bytes)',
      summary: 'Nobody sees what waits in the queue',
      description:
        'No tasks process shows the state of the region: none runs, none is scraped, or NATS does not answer them. The alerts on queue, outbox and stores are blind, and batches and webhooks may stand still.',
    }),
  ],
};

export const GROUPS: readonly RuleGroup[] = [FIRST_TOKENS, QUEUE, WORKERS, STORES];

/** The groups as YAML. Every text is quoted as JSON, which YAML reads too. */
export function toYaml(groups: readonly RuleGroup[]): string {
  const lines = ['# Written by `npm run observability` from deploy/observability/rules.ts.', 'groups:'];
  for (const { name, rules } of groups) {
    lines.push(`  - name: ${name}`, '    rules:');
    for (const rule of rules) lines.push(...yamlOf(rule));
  }
  return `${lines.join('\n')}\n`;
}

function yamlOf(rule: RecordingRule | AlertRule): string[] {
  const field = (name: string, text: string) => `${name}: ${JSON.stringify(text)}`;
  if ('record' in rule) return [`      - record: ${rule.record}`, `        ${field('expr', rule.expr)}`];
  return [
    `      - alert: ${rule.alert}`,
    `        ${field('expr', rule.expr)}`,
    `        for: ${rule.for}`,
    '        labels:',
    `          severity: ${rule.labels.severity}`,
    '        annotations:',
    ...Object.entries(rule.annotations).map(([name, text]) => `          ${field(name, text)}`),
  ];
}
