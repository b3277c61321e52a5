/** What the scaler decides, and what workers cost. */
import { chart } from '../charts.ts';
import type { Dashboard } from '../panels.ts';

/** Of several scalers one decides. */
const leading = (expr: string, by: string) => `max by (${by}) (${expr})`;
const grown = (name: string, by: string) => `sum by (${by}) (rate(${name}[10m]))`;

export const SCALING: Dashboard = {
  name: 'scaling',
  title: 'scaling',
  rows: [
    {
      title: 'Workers',
      panels: [
        chart(
          'Desired and there',
          'Workers that a pool should have, and has.',
          { unit: 'short' },
          {
            expr: leading('penstock_scaler_desired_workers', 'pool'),
            legend: '{{pool}} desired',
            dashed: true,
          },
          { expr: leading('penstock_scaler_workers{state="ready"}', 'pool'), legend: '{{pool}} ready' },
        ),
        chart(
          'On their way',
          'Workers that start, drain, or should long be there.',
          { unit: 'short', stacked: true },
          {
            expr: leading('penstock_scaler_workers{state=~"starting|draining|overdue"}', 'pool, state'),
            legend: '{{pool}} {{state}}',
          },
        ),
        chart(
          'Load and capacity',
          'In slots of speed 1: the load, what is expected, and what there is.',
          { unit: 'short' },
          {
            expr: leading('penstock_scaler_load_slots', 'model, what'),
            legend: '{{model}} {{what}}',
          },
        ),
        chart(
          'Decisions',
          'By what they change and why.',
          { unit: 'short', stacked: true },
          {
            expr: 'sum by (kind, reason) (increase(penstock_scaler_decisions_total{kind!="keep"}[5m]))',
            legend: '{{kind}}: {{reason}}',
          },
          {
            expr: 'sum by (limit) (increase(penstock_scaler_limited_total[5m]))',
            legend: 'too few by {{limit}}',
            dashed: true,
          },
        ),
        chart(
          'Time to start',
          'What nine of ten starts take.',
          { unit: 's' },
          { expr: leading('penstock_scaler_start_seconds', 'pool'), legend: '{{pool}}' },
        ),
        chart(
          'Whether it can decide',
          'Scalers that decide (one), age of what they know, and failures of the driver in five minutes.',
          { unit: 'short' },
          { expr: 'sum(penstock_scaler_leader)', legend: 'deciding', colour: 'blue' },
          { expr: 'max(penstock_scaler_data_age_seconds)', legend: 'age, s', colour: 'orange' },
          {
            expr: 'sum(increase(penstock_scaler_driver_failures_total[5m]))',
            legend: 'failures of the driver',
            colour: 'vermillion',
          },
        ),
      ],
    },
    {
      title: 'Cost',
      panels: [
        chart(
          'What paid workers do',
          'Workers by what their time goes to.',
          { unit: 'short', stacked: true },
          { expr: grown('penstock_pool_worker_seconds_total', 'state'), legend: '{{state}}' },
        ),
        chart(
          'Over-allocated',
          'Share of the paid time beyond what the busiest moment of each minute needed.',
          { unit: 'percentunit' },
          {
            expr: `${grown('penstock_pool_overallocated_seconds_total', 'pool')} / ${grown('penstock_pool_worker_seconds_total', 'pool')}`,
            legend: '{{pool}}',
          },
        ),
        chart(
          'Cost of an hour',
          'By the prices of the pools.',
          { unit: 'none', stacked: true },
          { expr: leading('penstock_pool_cost_per_hour', 'pool'), legend: '{{pool}}' },
        ),
        chart(
          'Cost of a million tokens in SLO',
          'Over ten minutes and all pools; beside it, of all output tokens of a pool.',
          { unit: 'none' },
          { expr: 'max(penstock_cost_per_million_tokens_in_slo)', legend: 'in SLO', colour: 'blue' },
          {
            expr: `1e6 * ${grown('penstock_pool_cost_total', 'pool')} / ${grown('penstock_pool_output_tokens_total', 'pool')}`,
            legend: '{{pool}}, all',
            dashed: true,
          },
        ),
      ],
    },
  ],
};
