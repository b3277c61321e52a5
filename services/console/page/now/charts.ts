/** Four charts of the last quarter of an hour. Pointing at one points at the same second in all. */
import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { SAMPLE_FIELDS, type Sample } from '../../shared/region-state.ts';
import { number, seconds } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { Chart, type ChartLine } from './chart.ts';

type Field = (typeof SAMPLE_FIELDS)[number];

export interface ChartsProps {
  readonly samples: readonly Sample[];
  readonly targetTtftS: number;
}

/** Drawn again when a second has passed, not with each of its updates. */
export function Charts({ samples, targetTtftS }: ChartsProps): VNode {
  return useMemo(() => charts(samples, targetTtftS), [samples, targetTtftS]);
}

function charts(samples: readonly Sample[], targetTtftS: number): VNode {
  const column = (field: Field) => {
    const at = SAMPLE_FIELDS.indexOf(field);
    return samples.map(sample => sample[at] ?? null);
  };
  const line = (label: string, field: Field): ChartLine => ({ label, values: column(field) });
  const x = column('at').map(at => Math.round((at ?? 0) / 1000));
  const target = { label: 'target', values: samples.map(() => targetTtftS) };
  return html`
    <div class="charts">
      <${Chart} title="Calls" unit="/s" x=${x} format=${number}
        lines=${[line('offered', 'arrivalsPerS'), line('answered', 'servedPerS')]} />
      <${Chart} title="Wait in the queue" unit="" x=${x} format=${seconds}
        lines=${[line('p50', 'waitP50S'), line('p99', 'waitP99S'), target]} />
      <${Chart} title="Slots" unit="" x=${x} format=${number}
        lines=${[line('in use', 'running'), line('slots', 'slots')]} />
      <${Chart} title="Output tokens" unit="/s" x=${x} format=${number} lines=${[line('tokens', 'outputPerS')]} />
    </div>
  `;
}
