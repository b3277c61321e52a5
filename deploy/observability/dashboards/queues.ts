/** What waits, how long, and how full the servers are. */
import { chart, OF_MODEL, quantile, RATE, waits } from '../charts.ts';
import type { Dashboard } from '../panels.ts';

export const QUEUES: Dashboard = {
  name: 'queues',
  title: 'queues',
  rows: [
    {
      title: 'What waits',
      panels: [
        chart(
          'Waiting',
          'Requests that wait for their first worker.',
          { unit: 'short', stacked: true },
          { expr: `max by (model, lane) (penstock_queue_size{${OF_MODEL}})`, legend: '{{model}} {{lane}}' },
        ),
        chart(
          'Oldest',
          'How long the first of them has waited.',
          { unit: 's' },
          {
            expr: `max by (model, lane) (penstock_queue_oldest_age_seconds{${OF_MODEL}})`,
            legend: '{{model}} {{lane}}',
          },
        ),
        chart(
          'With workers',
          'Requests that a worker has, or that wait for another attempt.',
          { unit: 'short', stacked: true },
          {
            expr: `max by (model, lane) (penstock_queue_delivered{${OF_MODEL}})`,
            legend: '{{model}} {{lane}}',
          },
        ),
        waits(
          'Wait for a worker',
          'From acceptance until a worker took the request.',
          'penstock_request_queue_time_seconds',
        ),
        {
          kind: 'table',
          title: 'Worst first',
          about: 'Queues by the age of their first request.',
          unit: 's',
          width: 12,
          height: 8,
          queries: [
            {
              expr: `topk(20, max by (model, lane) (penstock_queue_oldest_age_seconds{${OF_MODEL}}) > 0)`,
              legend: '',
            },
          ],
        },
        chart(
          'Waiting at ingress nodes',
          'The oldest request without a worker, as its ingress sees it.',
          { unit: 's' },
          { expr: 'max(penstock_oldest_waiting_request_age_seconds)', legend: 'oldest', colour: 'blue' },
        ),
        chart(
          'Waiting at the door',
          'Requests that wait at ingress nodes for the turn of their project.',
          { unit: 'short' },
          { expr: `sum by (model) (penstock_door_waiting{${OF_MODEL}})`, legend: '{{model}}' },
        ),
        chart(
          'Wait at the door',
          'Of those that had to wait there: half, and all but one in a hundred, waited no longer.',
          { unit: 's' },
          { expr: quantile(0.5, 'penstock_door_wait_seconds', ''), legend: 'p50', colour: 'sky' },
          { expr: quantile(0.99, 'penstock_door_wait_seconds', ''), legend: 'p99', colour: 'blue' },
        ),
        chart(
          'Too late for their clients',
          'Interactive requests that were refused, or served by a fallback, because they would have waited for too long.',
          { unit: 'reqps' },
          {
            expr: `sum by (mode, reason) (rate(penstock_refused_waits_total{${OF_MODEL}}[${RATE}]))`,
            legend: '{{mode}}: {{reason}}',
          },
          {
            expr: `sum(rate(penstock_stand_ins_total{${OF_MODEL}}[${RATE}]))`,
            legend: 'fallback',
          },
        ),
        chart(
          'Estimates of the wait',
          'Estimated time to the first token over what it took: 1 is right.',
          { unit: 'short' },
          { expr: quantile(0.1, 'penstock_wait_estimate_ratio', ''), legend: 'p10', colour: 'sky' },
          { expr: quantile(0.5, 'penstock_wait_estimate_ratio', ''), legend: 'p50', colour: 'blue' },
          { expr: quantile(0.9, 'penstock_wait_estimate_ratio', ''), legend: 'p90', colour: 'orange' },
        ),
      ],
    },
    {
      title: 'How full it is',
      panels: [
        chart(
          'Broker',
          'Messages and bytes of the streams, of what they take.',
          { unit: 'percentunit', warnFrom: 0.8 },
          {
            expr: 'max by (shard) (penstock_stream_bytes / penstock_stream_limit_bytes)',
            legend: 'bytes of {{shard}}',
          },
          {
            expr: 'max by (shard) (penstock_stream_messages / penstock_stream_messages_limit)',
            legend: 'messages of {{shard}}',
          },
        ),
        chart(
          'Redis',
          'Memory used, and maxmemory where it is set.',
          { unit: 'bytes' },
          { expr: 'max(penstock_redis_used_bytes)', legend: 'used', colour: 'blue' },
          { expr: 'max(penstock_redis_limit_bytes)', legend: 'limit', colour: 'vermillion', dashed: true },
        ),
        chart(
          'Dead letters',
          'Requests that failed on every attempt.',
          { unit: 'short' },
          { expr: 'max(penstock_dead_letters)', legend: 'dead letters', colour: 'vermillion' },
        ),
        chart(
          'Large bodies and answers',
          'Memory that they take at ingress nodes: bodies until they are stored, answers until clients have taken them.',
          { unit: 'bytes' },
          { expr: 'penstock_large_body_bytes', legend: '{{instance}}' },
          { expr: 'penstock_answer_bytes', legend: '{{instance}}, answers' },
        ),
        chart(
          'Certificate of the API',
          'Time until it expires; and ingress nodes whose files hold one that cannot be used.',
          { unit: 's' },
          {
            expr: 'min(penstock_tls_certificate_expiry_timestamp_seconds) - time()',
            legend: 'left',
            colour: 'blue',
          },
          {
            expr: 'sum(penstock_tls_certificate_stale)',
            legend: 'nodes with a broken one',
            colour: 'vermillion',
          },
        ),
      ],
    },
  ],
};
