/** The first look: what clients feel, and what waits. */
import { chart, OF_MODEL, quantile, RATE, rate, tile, waits } from '../charts.ts';
import type { Dashboard } from '../panels.ts';
import { SLO_SECONDS } from '../rules.ts';

const LATE = `1 - sum(rate(penstock_time_to_first_token_seconds_bucket{lane="interactive",le="${SLO_SECONDS}",${OF_MODEL}}[${RATE}])) / sum(rate(penstock_time_to_first_token_seconds_count{lane="interactive",${OF_MODEL}}[${RATE}]))`;

export const OVERVIEW: Dashboard = {
  name: 'overview',
  title: 'overview',
  rows: [
    {
      title: 'Now',
      panels: [
        tile(
          'Arrivals',
          'Requests that ingress nodes answered, a second.',
          { unit: 'reqps' },
          rate('penstock_http_requests_total', ''),
        ),
        tile('Open', 'Requests whose clients wait.', { unit: 'short' }, 'sum(penstock_open_requests)'),
        tile(
          'Queued',
          'Requests that wait for their first worker.',
          { unit: 'short' },
          `sum(max by (model, lane) (penstock_queue_size{${OF_MODEL}}))`,
        ),
        tile(
          'Oldest',
          'How long the oldest interactive request has waited for a worker.',
          { unit: 's', warnFrom: 30 },
          `max(penstock_queue_oldest_age_seconds{lane="interactive",${OF_MODEL}})`,
        ),
        tile(
          'Late',
          `Share of interactive first tokens that took more than ${SLO_SECONDS} s.`,
          { unit: 'percentunit', warnFrom: 0.05 },
          LATE,
        ),
        tile(
          'Sick workers',
          'Workers that do not pull because their engines are sick.',
          { unit: 'short', warnFrom: 1 },
          'count(penstock_engine_healthy == 0) or vector(0)',
        ),
      ],
    },
    {
      title: 'Golden signals',
      panels: [
        chart(
          'Requests by status',
          'What clients were answered. 429 and 503 are refusals for want of room, 5xx failures.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_http_requests_total', 'status'), legend: '{{status}}' },
        ),
        chart(
          'Refused API keys by reason',
          'Requests without a valid key. `expired` is a client that nobody gave its new key; much of `unknown` is somebody who tries.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_refused_keys_total', 'reason'), legend: '{{reason}}' },
        ),
        chart(
          'Refused files of projects',
          'Ingress nodes whose file of projects has a mistake in it: they go on with what it said before, and their logs name the line.',
          { unit: 'none' },
          { expr: 'sum(penstock_projects_file_refused)', legend: 'nodes' },
        ),
        chart(
          'Refused by limits of projects',
          'By the limit; `shadow` would have been refused. Of tasks processes: lines of batches that had to wait.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_limited_requests_total', 'limit, mode'), legend: '{{limit}} {{mode}}' },
          { expr: rate('penstock_uncounted_requests_total', ''), legend: 'not counted' },
        ),
        chart(
          'Use of limits, p90',
          'How much of its limit a request found used. Near 1, projects are about to be refused.',
          { unit: 'percentunit' },
          { expr: quantile(0.9, 'penstock_limit_use_ratio', 'limit', ''), legend: '{{limit}}' },
        ),
        waits(
          'Time to first token',
          `From acceptance to the first byte, where a client waits. The line is the aim of ${SLO_SECONDS} s.`,
          'penstock_time_to_first_token_seconds',
          OF_MODEL,
          SLO_SECONDS,
        ),
        chart(
          'Time to first token, p99 by model',
          'Which model is late.',
          { unit: 's' },
          { expr: quantile(0.99, 'penstock_time_to_first_token_seconds', 'model'), legend: '{{model}}' },
        ),
        waits(
          'Whole answers',
          'From acceptance to the end of the answer.',
          'penstock_e2e_request_latency_seconds',
        ),
        chart(
          'Slots',
          'Requests that the workers of a model run at once, and requests that run at workers.',
          { unit: 'short' },
          { expr: `max by (model) (penstock_slots{${OF_MODEL}})`, legend: '{{model}}' },
          {
            expr: 'sum(penstock_worker_requests_running)',
            legend: 'running',
            colour: 'vermillion',
            dashed: true,
          },
        ),
        chart(
          'Tokens',
          'Tokens of answers a second.',
          { unit: 'tokens/s', stacked: true },
          { expr: rate('penstock_generation_tokens_total', 'model', OF_MODEL), legend: '{{model}}' },
        ),
      ],
    },
  ],
};
