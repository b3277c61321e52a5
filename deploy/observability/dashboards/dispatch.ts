/** Where requests go and why: placements, bids, retries. */
import { chart, OF_MODEL, quantile, RATE, rate } from '../charts.ts';
import type { Dashboard } from '../panels.ts';

export const DISPATCH: Dashboard = {
  name: 'dispatch',
  title: 'dispatch',
  rows: [
    {
      title: 'Where requests go',
      panels: [
        chart(
          'Placements',
          'Why requests went to one worker or to all.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_placements_total', 'reason'), legend: '{{reason}}' },
        ),
        chart(
          'Offered to all after all',
          'Requests that were bound to a worker and released.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_moved_requests_total', 'reason'), legend: '{{reason}}' },
        ),
        chart(
          'Prefix cache',
          'Share of prompt tokens that engines found in their caches, and that the dispatcher expected there.',
          { unit: 'percentunit' },
          {
            expr: `${rate('penstock_cached_prompt_tokens_total', '', OF_MODEL)} / ${rate('penstock_prompt_tokens_total', '', OF_MODEL)}`,
            legend: 'found',
            colour: 'green',
          },
          {
            expr: `${rate('penstock_expected_cached_prompt_tokens_total', '', OF_MODEL)} / ${rate('penstock_prompt_tokens_total', '', OF_MODEL)}`,
            legend: 'expected',
            colour: 'purple',
            dashed: true,
          },
        ),
        chart(
          'Estimated prompt tokens',
          'Estimate over the count of the engine. 1 is right.',
          { unit: 'none' },
          { expr: quantile(0.1, 'penstock_prompt_token_estimate_ratio', ''), legend: 'p10', colour: 'sky' },
          {
            expr: quantile(0.9, 'penstock_prompt_token_estimate_ratio', ''),
            legend: 'p90',
            colour: 'blue',
            dashed: true,
          },
        ),
      ],
    },
    {
      title: 'Bids',
      panels: [
        chart(
          'Levels',
          'Mean level of the live pulls, by kind of work. 0 is as good as the fastest worker when idle.',
          { unit: 'none' },
          { expr: 'avg by (lane, size) (penstock_worker_bid_level)', legend: '{{lane}} {{size}}' },
        ),
        chart(
          'Workers that do not bid',
          'By kind of work and reason.',
          { unit: 'short', stacked: true },
          {
            expr: 'sum by (lane, size, reason) (penstock_worker_bid_passes)',
            legend: '{{lane}} {{size}}: {{reason}}',
          },
        ),
        chart(
          'Deliveries',
          'Taken, or handed back because the last slot was gone.',
          { unit: 'reqps' },
          { expr: rate('penstock_worker_deliveries_total', 'outcome'), legend: '{{outcome}}' },
        ),
        chart(
          'Renewals',
          'How often a worker quotes anew.',
          { unit: 'none' },
          { expr: `max(rate(penstock_worker_bid_renewals_total[${RATE}]))`, legend: 'most', colour: 'blue' },
          {
            expr: `avg(rate(penstock_worker_bid_renewals_total[${RATE}]))`,
            legend: 'mean',
            colour: 'sky',
            dashed: true,
          },
        ),
      ],
    },
    {
      title: 'When attempts fail',
      panels: [
        chart(
          'Outcomes',
          'How dispatched requests ended.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_requests_finished_total', 'outcome'), legend: '{{outcome}}' },
        ),
        chart(
          'Failed attempts',
          'By what was decided.',
          { unit: 'reqps', stacked: true },
          { expr: rate('penstock_failed_attempts_total', 'reason'), legend: '{{reason}}' },
          {
            expr: rate('penstock_fenced_frames_total', ''),
            legend: 'fenced frames',
            colour: 'grey',
            dashed: true,
          },
          {
            expr: rate('penstock_dropped_messages_total', 'kind'),
            legend: 'dropped: {{kind}}',
            dashed: true,
          },
        ),
      ],
    },
  ],
};
