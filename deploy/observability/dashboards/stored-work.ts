/** Batches, jobs and webhooks. */
import { chart, rate, tile, waits } from '../charts.ts';
import type { Dashboard } from '../panels.ts';

export const STORED: Dashboard = {
  name: 'batches-and-webhooks',
  title: 'batches and webhooks',
  rows: [
    {
      title: 'Stored work',
      panels: [
        tile('Open batches', 'Batches that are not final.', { unit: 'short' }, 'max(penstock_batches_open)'),
        tile(
          'Open runs',
          'Jobs, responses and lines that are not final.',
          { unit: 'short' },
          'max(penstock_stored_runs_open)',
        ),
        tile(
          'Lines at work',
          'Lines of batches that are queued or running.',
          { unit: 'short' },
          'sum(penstock_batch_lines_open)',
        ),
        tile(
          'Batches fed',
          'Batches whose lines are fed to the queue now.',
          { unit: 'short' },
          'sum(penstock_batches_running)',
        ),
        tile(
          'Outbox',
          'Events that are not handed out.',
          { unit: 'short' },
          'max(penstock_webhook_outbox_events)',
        ),
        tile(
          'Oldest event',
          'In the outbox.',
          { unit: 's', warnFrom: 60 },
          'max(penstock_webhook_outbox_age_seconds)',
        ),
      ],
    },
    {
      title: 'Batches',
      panels: [
        chart(
          'Finished',
          'Batches by status, an hour.',
          { unit: 'short', stacked: true },
          { expr: 'sum by (status) (increase(penstock_batches_finished_total[1h]))', legend: '{{status}}' },
        ),
        chart(
          'Lines',
          'Of finished batches, by outcome.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_batch_lines_total', 'outcome'), legend: '{{outcome}}' },
        ),
        waits('How long batches take', 'From creation to end.', 'penstock_batch_duration_seconds', ''),
        chart(
          'Interruptions',
          'Work on a batch was broken off and will be resumed.',
          { unit: 'short' },
          {
            expr: 'sum(increase(penstock_batch_interruptions_total[1h]))',
            legend: 'an hour',
            colour: 'vermillion',
          },
        ),
      ],
    },
    {
      title: 'Webhooks',
      panels: [
        chart(
          'Attempts',
          'By what followed and by status.',
          { unit: 'reqps', stacked: true },
          {
            expr: rate('penstock_webhook_attempts_total', 'outcome, status'),
            legend: '{{outcome}} {{status}}',
          },
        ),
        waits(
          'How long attempts take',
          'Until the status of the answer.',
          'penstock_webhook_attempt_duration_seconds',
          '',
        ),
        waits('From event to delivery', 'Retries included.', 'penstock_webhook_delivery_delay_seconds', ''),
        chart(
          'Deliveries that are not over',
          'By state.',
          { unit: 'short', stacked: true },
          { expr: 'max by (state) (penstock_webhook_deliveries)', legend: '{{state}}' },
        ),
        chart(
          'Endpoints disabled',
          'An hour, by reason.',
          { unit: 'short' },
          {
            expr: 'sum by (reason) (increase(penstock_webhook_endpoints_disabled_total[1h]))',
            legend: '{{reason}}',
          },
        ),
        chart(
          'Housekeeping',
          'What was removed or ended because its time was up, and rounds that failed, an hour.',
          { unit: 'short' },
          { expr: 'sum by (what) (increase(penstock_housekeeping_removed_total[1h]))', legend: '{{what}}' },
          {
            expr: 'sum(increase(penstock_housekeeping_failures_total[1h]))',
            legend: 'failed rounds',
            colour: 'vermillion',
            dashed: true,
          },
        ),
      ],
    },
  ],
};
