/** What a tasks process counts, and what it sees of its region. Labels come from closed sets, and from the names of models. */
import { type LimitObserver, limitMetrics } from '@penstock/access';
import {
  addDroppedMetric,
  BoundedLabel,
  type Clock,
  type Counter,
  type DroppedMessages,
  FIRST_TOKEN_BUCKETS_S,
  MetricSet,
  OTHER,
  VERSION,
} from '@penstock/runtime';
import type { PostOutcome, SurveyedQueue } from '@penstock/transport';
import type { BatchObserver, BatchRunner } from './batches/batch-runner.ts';
import type { RegionState } from './housekeeping/region-watch.ts';
import type { HousekeepingObserver } from './housekeeping/sweeper.ts';
import type { DeliveryObserver } from './webhooks/event-sender.ts';

/** Ten attempts take 75 hours. */
const DELAY_BUCKETS_S = [0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 14_400, 43_200, 86_400, 270_000];
/** A batch has a day. */
const BATCH_BUCKETS_S = [1, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400];

/** What the gauges show. */
export interface TasksGauges {
  readonly region: () => RegionState;
  readonly batches: () => BatchRunner['open'];
  /** Name of the model whose requests wait in a queue, by the slug of the queue. */
  readonly nameOf: (slug: string) => string | undefined;
  readonly dropped: DroppedMessages;
  readonly clock: Clock;
}

export interface TasksMetrics {
  readonly set: MetricSet;
  readonly batches: BatchObserver;
  readonly webhooks: DeliveryObserver;
  readonly housekeeping: HousekeepingObserver;
  readonly interrupted: () => void;
  readonly limits: LimitObserver;
}

export function createTasksMetrics(gauges: TasksGauges): TasksMetrics {
  const set = new MetricSet({ service: 'tasks', version: VERSION });
  addQueueGauges(set, gauges);
  addServerGauges(set, gauges);
  addOpenGauges(set, gauges);
  addDroppedMetric(set, gauges.dropped);
  return {
    set,
    ...countBatches(set, gauges.clock),
    webhooks: countWebhooks(set),
    housekeeping: countHousekeeping(set),
    limits: limitMetrics(set),
  };
}

/** Sizes and shards of a queue are one to those who wait. */
function addQueueGauges(set: MetricSet, { region, nameOf, clock }: TasksGauges): void {
  const models = new BoundedLabel();
  const series = (read: (queues: readonly SurveyedQueue[]) => number | null) => {
    const byLabels = new Map<string, SurveyedQueue[]>();
    for (const queue of region().queue?.queues ?? []) {
      const model = models.of(nameOf(queue.slug) ?? OTHER);
      const key = JSON.stringify({ model, lane: queue.lane });
      byLabels.set(key, [...(byLabels.get(key) ?? []), queue]);
    }
    return [...byLabels].flatMap(([key, queues]) => {
      const value = read(queues);
      return value === null ? [] : [[JSON.parse(key) as Record<string, string>, value] as const];
    });
  };
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const labels = ['model', 'lane'];
  set.gauges(
    'penstock_queue_size',
    'Requests that wait for their first worker, in the whole region: on the queue and at the doors of ingress nodes.',
    labels,
    () => series(queues => sum(queues.map(({ waiting }) => waiting))),
  );
  set.gauges(
    'penstock_queue_delivered',
    'Requests that a worker has, or that wait for another attempt, in the whole region.',
    labels,
    () => series(queues => sum(queues.map(({ delivered }) => delivered))),
  );
  set.gauges(
    'penstock_queue_oldest_age_seconds',
    'How long the request has waited that has waited longest for its first worker; 0 where none waits. The 16 longest queues are looked at.',
    labels,
    () =>
      series(queues => {
        if (queues.every(({ waiting }) => waiting === 0)) return 0;
        const times = queues.flatMap(({ oldestAt }) => oldestAt ?? []);
        return times.length === 0 ? null : Math.max(0, (clock.now() - Math.min(...times)) / 1000);
      }),
  );
}

function addServerGauges(set: MetricSet, { region }: TasksGauges): void {
  const streams = () => region().queue?.streams ?? [];
  set.gauges('penstock_stream_messages', 'Messages in a stream of the work queue.', ['shard'], () =>
    streams().map(({ shard, messages }) => [{ shard: String(shard) }, messages]),
  );
  set.gauges(
    'penstock_stream_messages_limit',
    'Messages that it takes before new requests get 429 (PENSTOCK_QUEUE_MAX_MESSAGES).',
    ['shard'],
    () => streams().map(({ shard, mostMessages }) => [{ shard: String(shard) }, mostMessages]),
  );
  set.gauges('penstock_stream_bytes', 'Bytes in a stream of the work queue.', ['shard'], () =>
    streams().map(({ shard, bytes }) => [{ shard: String(shard) }, bytes]),
  );
  set.gauges(
    'penstock_stream_limit_bytes',
    'Bytes that it takes before new requests get 429 (PENSTOCK_QUEUE_MAX_BYTES).',
    ['shard'],
    () => streams().map(({ shard, mostBytes }) => [{ shard: String(shard) }, mostBytes]),
  );
  set.gauge('penstock_redis_used_bytes', 'Memory that Redis uses.', () => region().store?.usedBytes ?? null);
  set.gauge(
    'penstock_redis_limit_bytes',
    'Memory that Redis may use (`maxmemory`). Absent where it has no limit of its own.',
    () => region().store?.mostBytes ?? null,
  );
}

function addOpenGauges(set: MetricSet, { region, batches, clock }: TasksGauges): void {
  set.gauge(
    'penstock_dead_letters',
    'Requests that failed on every attempt and are kept for the operator.',
    () => region().queue?.deadLetters ?? null,
  );
  set.gauge(
    'penstock_stored_runs_open',
    'Jobs, stored responses and stored completions that are not final.',
    () => region().store?.openRuns ?? null,
  );
  set.gauge(
    'penstock_batches_open',
    'Batches of the region that are not final.',
    () => region().store?.openBatches ?? null,
  );
  set.gauge(
    'penstock_batches_running',
    'Batches whose lines this process feeds to the queue.',
    () => batches().batches,
  );
  set.gauge('penstock_batch_lines_open', 'Lines of these that are queued or running.', () => batches().lines);
  set.gauge(
    'penstock_webhook_outbox_events',
    'Events that are not yet handed out to webhook endpoints.',
    () => region().store?.outboxEvents ?? null,
  );
  set.gauge(
    'penstock_webhook_outbox_age_seconds',
    'How long ago the oldest of them happened; 0 where there is none.',
    () => {
      const { store } = region();
      if (store === null) return null;
      return store.outboxOldestAt === null ? 0 : Math.max(0, (clock.now() - store.outboxOldestAt) / 1000);
    },
  );
  set.gauges(
    'penstock_webhook_deliveries',
    'Deliveries of the region that are not over: `waiting` for an attempt, `active`, or `delayed` until their next one.',
    ['state'],
    () => {
      const jobs = region().webhookJobs;
      return jobs === null ? [] : Object.entries(jobs).map(([state, count]) => [{ state }, count] as const);
    },
  );
}

function countBatches(set: MetricSet, clock: Clock): Pick<TasksMetrics, 'batches' | 'interrupted'> {
  const finished = set.counter(
    'penstock_batches_finished_total',
    'Batches that this process brought to their end: `completed`, `cancelled`, `expired`, `failed` (the file was invalid).',
    'status',
  );
  const lines = set.counter(
    'penstock_batch_lines_total',
    'Lines of these batches: `completed` or `failed`.',
    'outcome',
  );
  const duration = set.histogram(
    'penstock_batch_duration_seconds',
    'From the creation of such a batch to its end.',
    BATCH_BUCKETS_S,
  );
  const interruptions = set.counter(
    'penstock_batch_interruptions_total',
    'How often work on a batch was broken off by an error and will be resumed.',
  );
  beginAtZero(finished, 'status', ['completed', 'cancelled', 'expired', 'failed']);
  beginAtZero(lines, 'outcome', ['completed', 'failed']);
  return {
    interrupted: () => interruptions.inc(),
    batches: {
      finished({ createdAt }, { status, completed, failed }) {
        finished.inc({ status });
        lines.inc({ outcome: 'completed' }, completed);
        lines.inc({ outcome: 'failed' }, failed);
        duration.observe(Math.max(0, clock.now() / 1000 - createdAt));
      },
    },
  };
}

function countWebhooks(set: MetricSet): DeliveryObserver {
  const attempts = set.counter(
    'penstock_webhook_attempts_total',
    'Attempts by what followed, `delivered`, `retry` or `give_up`, and by the class of the status; `none`: no answer.',
    ...(['outcome', 'status'] as const),
  );
  const duration = set.histogram(
    'penstock_webhook_attempt_duration_seconds',
    'From resolving the name to the status of the answer, or to the end of the attempt.',
    FIRST_TOKEN_BUCKETS_S,
  );
  const delay = set.histogram(
    'penstock_webhook_delivery_delay_seconds',
    'From an event to the attempt that delivered it.',
    DELAY_BUCKETS_S,
  );
  const disabled = set.counter(
    'penstock_webhook_endpoints_disabled_total',
    'Endpoints that were disabled: `gone` (they answered 410) or `failing`.',
    'reason',
  );
  beginAtZero(disabled, 'reason', ['gone', 'failing']);
  return {
    attempted(decision, outcome, { ms, ageMs }) {
      attempts.inc({ outcome: decision.kind, status: statusClass(outcome) });
      duration.observe(Math.max(0, ms) / 1000);
      if (decision.kind === 'delivered') delay.observe(Math.max(0, ageMs) / 1000);
    },
    disabled: reason => disabled.inc({ reason }),
  };
}

/** A series that begins with its first event hides that event from `increase()`. What happens once a week has to be seen. */
function beginAtZero<T extends string>(counter: Counter<T>, label: T, values: readonly string[]): void {
  for (const value of values) counter.inc({ [label]: value } as Record<T, string>, 0);
}

function statusClass(outcome: PostOutcome): string {
  if (outcome.kind === 'unanswered') return 'none';
  const hundreds = Math.floor(outcome.status / 100);
  return hundreds >= 1 && hundreds <= 5 ? `${hundreds}xx` : OTHER;
}

function countHousekeeping(set: MetricSet): HousekeepingObserver {
  const removed = set.counter(
    'penstock_housekeeping_removed_total',
    'What was removed or ended because its time was up: `file`, `body` (that a crash left behind), `overdue_run`; `undelivered_message`: replaced, since the broker delivered it to nobody; `lost_run`: queued again, since no queue and no worker had it.',
    'what',
  );
  const failures = set.counter(
    'penstock_housekeeping_failures_total',
    'Rounds of housekeeping that failed and will be repeated: `files`, `bodies`, `deadlines`, `queues`, `undelivered`, `stranded`, `runs`.',
    'what',
  );
  beginAtZero(removed, 'what', ['file', 'body', 'overdue_run', 'undelivered_message', 'lost_run']);
  beginAtZero(failures, 'what', [
    'files',
    'bodies',
    'deadlines',
    'queues',
    'undelivered',
    'stranded',
    'runs',
  ]);
  return { removed: what => removed.inc({ what }), failed: what => failures.inc({ what }) };
}
