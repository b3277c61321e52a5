/** Workers and their engines. */
import { chart, OF_MODEL, quantile, rate } from '../charts.ts';
import type { Dashboard } from '../panels.ts';

export const FLEET: Dashboard = {
  name: 'fleet',
  title: 'fleet',
  rows: [
    {
      title: 'Workers',
      panels: [
        chart(
          'Workers by model',
          'Those that take work now.',
          { unit: 'short' },
          { expr: `max by (model) (penstock_model_workers{${OF_MODEL}})`, legend: '{{model}}' },
        ),
        chart(
          'Sick or draining',
          'Workers that do not take work, and why.',
          { unit: 'short', stacked: true },
          { expr: 'count(penstock_engine_healthy == 0) or vector(0)', legend: 'sick', colour: 'vermillion' },
          { expr: 'sum(penstock_worker_draining) or vector(0)', legend: 'draining', colour: 'orange' },
        ),
        chart(
          'Slots by worker',
          'Learned, and of these usable.',
          { unit: 'short' },
          { expr: 'penstock_worker_slots{kind="learned"}', legend: '{{instance}} learned' },
          { expr: 'penstock_worker_slots{kind="usable"}', legend: '{{instance}} usable' },
        ),
        chart(
          'Running by worker',
          'Requests taken and not finished.',
          { unit: 'short' },
          { expr: 'penstock_worker_requests_running', legend: '{{instance}}' },
        ),
        chart(
          'Busy',
          'Share of recent time spent working.',
          { unit: 'percentunit' },
          { expr: 'penstock_worker_busy_ratio', legend: '{{instance}}' },
        ),
        chart(
          'Quoted wait',
          'Before the prefill of a new prompt would begin.',
          { unit: 's' },
          { expr: 'penstock_worker_prefill_wait_seconds', legend: '{{instance}}' },
        ),
      ],
    },
    {
      title: 'Engines',
      panels: [
        chart(
          'Time to first token at the engine',
          'p99 from the call to the first token.',
          { unit: 's' },
          {
            expr: quantile(0.99, 'penstock_engine_time_to_first_token_seconds', 'instance'),
            legend: '{{instance}}',
          },
        ),
        chart(
          'Time per output token',
          'p99 of the mean gap within an answer.',
          { unit: 's' },
          {
            expr: quantile(0.99, 'penstock_request_time_per_output_token_seconds', 'model'),
            legend: '{{model}}',
          },
        ),
        chart(
          'KV cache',
          'In use, as engines tell.',
          { unit: 'percentunit', warnFrom: 0.95 },
          { expr: 'penstock_engine_kv_cache_usage_ratio', legend: '{{instance}}' },
        ),
        chart(
          'Inside the engine',
          'Requests that engines run, and that wait inside: nothing should.',
          { unit: 'short' },
          { expr: 'sum(penstock_engine_requests_running)', legend: 'running', colour: 'blue' },
          {
            expr: 'sum(penstock_engine_requests_waiting)',
            legend: 'waiting',
            colour: 'vermillion',
            dashed: true,
          },
        ),
        chart(
          'Prefill rate',
          'Prompt tokens a second, as learned.',
          { unit: 'tokens/s' },
          { expr: 'penstock_worker_prefill_tokens_per_second', legend: '{{instance}}' },
        ),
        chart(
          'Attempts',
          'By how they ended.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_worker_attempts_total', 'outcome', OF_MODEL), legend: '{{outcome}}' },
        ),
        chart(
          'Failing',
          'Share of recent requests that failed by the fault of the engine.',
          { unit: 'percentunit' },
          { expr: 'penstock_engine_error_ratio', legend: '{{instance}}' },
        ),
        chart(
          'Answers on their way',
          'Bytes that Redis has not confirmed; from 64 MiB on a worker takes nothing new.',
          { unit: 'bytes', warnFrom: 33_554_432 },
          { expr: 'penstock_worker_pending_reply_bytes', legend: '{{instance}}' },
        ),
      ],
    },
  ],
};
