/** A cell for each worker: how full it is, and in which state. The one that is pointed at, or moved to with the arrow keys, is told in words. */
import type { RefObject, VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RegionState, WorkerRow, WorkerState } from '../../shared/region-state.ts';
import { count, modelWords, number, percent, seconds, WORKER_STATES } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { useByName } from '../base/pure.ts';
import { Cells, cellId, type Named } from './cells.ts';

const MOST_MODELS = 8;
/** Until the grid is drawn and measured. */
const SOME_PER_ROW = 20;

export function WorkerGrid({ workers }: { readonly workers: RegionState['workers'] }): VNode {
  const [chosen, setChosen] = useState<string | null>(null);
  const all = useByName(workers);
  const at = Math.max(
    0,
    all.findIndex(([name]) => name === chosen),
  );
  const current = all[at];
  const grid = useRef<HTMLDivElement>(null);
  const perRow = usePerRow(grid, all.length > 0);
  const move = (event: KeyboardEvent) => {
    const to = targetOf(event.key, at, all.length, perRow);
    if (to === null) return;
    event.preventDefault();
    setChosen(all[to]?.[0] ?? null);
  };
  return html`
    <section class="panel" aria-labelledby="workers">
      <h2 id="workers">Workers <small>${summary(all)}</small></h2>
      ${
        current === undefined
          ? html`<p>None is heard. A worker shows up within a second of its start.</p>`
          : html`
        <div class="grid" role="listbox" aria-labelledby="workers" tabindex="0" ref=${grid}
          aria-activedescendant=${cellId(current[0])} onKeyDown=${move}>
          <${Cells} all=${all} chosen=${current[0]} onChoose=${setChosen} perRow=${perRow} />
        </div>
        <${Details} name=${current[0]} row=${current[1]} />
        <${Legend} />`
      }
    </section>
  `;
}

/** Up and down go by rows as they are drawn. */
function targetOf(key: string, at: number, length: number, perRow: number): number | null {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow }[key];
  if (key === 'Home') return 0;
  if (key === 'End') return length - 1;
  if (step === undefined) return null;
  return Math.min(length - 1, Math.max(0, at + step));
}

/** Cells of the grid that fit beside one another, as wide as the window is. @param isDrawn whether there are any. */
function usePerRow(grid: RefObject<HTMLDivElement | null>, isDrawn: boolean): number {
  const [perRow, setPerRow] = useState(SOME_PER_ROW);
  useEffect(() => {
    const list = grid.current;
    if (list === null) return;
    const measure = () => {
      const first = list.querySelector<HTMLElement>('.cell');
      const row = first?.parentElement;
      // A grid that has just been taken off the page has no size.
      if (!first || !row || list.clientWidth === 0) return;
      const gap = Number.parseFloat(getComputedStyle(row).columnGap);
      // The last one needs no gap behind it.
      setPerRow(Math.max(1, Math.floor((list.clientWidth + gap) / (first.offsetWidth + gap))));
    };
    const watch = new ResizeObserver(measure);
    watch.observe(list);
    return () => watch.disconnect();
  }, [isDrawn]);
  return perRow;
}

function Details({ name, row }: { readonly name: string; readonly row: WorkerRow }): VNode {
  const { mark, word, about } = WORKER_STATES[row.state];
  const facts: (readonly [string, string])[] = [
    ['State', `${mark} ${word}: ${about}`],
    ['Models', modelWords(row.models, MOST_MODELS)],
    ['Slots', row.running === undefined ? `${row.slots}` : `${row.running} of ${row.slots} in use`],
    ['Quote', `a new prompt would begin in ${seconds(row.waitS)}`],
    [
      'Rate',
      row.tokensPerSec === 0
        ? 'not learned yet'
        : `${number(row.tokensPerSec)} prompt tokens/s${row.outputPerS === undefined ? '' : `, ${number(row.outputPerS)} output tokens/s now`}`,
    ],
    ...(row.kvUse === undefined ? [] : [['KV cache', `${percent(row.kvUse)} in use`] as const]),
    ...(row.errorRate ? [['Failures', `${percent(row.errorRate)} of recent attempts`] as const] : []),
    ...(row.silentS === undefined ? [] : [['Heard', `${row.silentS} s ago`] as const]),
  ];
  return html`
    <div class="details" data-worker=${name}>
      <h3>${name}</h3>
      <dl>${facts.map(([term, fact]) => html`<div><dt>${term}</dt><dd>${fact}</dd></div>`)}</dl>
    </div>
  `;
}

function summary(all: readonly Named[]): string {
  const states = Object.keys(WORKER_STATES) as WorkerState[];
  const parts = states.flatMap(state => {
    const n = all.filter(([, row]) => row.state === state).length;
    return n === 0 ? [] : [`${n} ${WORKER_STATES[state].word}`];
  });
  return all.length === 0 ? '' : `${count(all.length, 'worker')}: ${parts.join(', ')}`;
}

function Legend(): VNode {
  const states = Object.entries(WORKER_STATES).reverse();
  return html`
    <ul class="legend" aria-label="What the marks mean">
      ${states.map(([state, { mark, word }]) => html`<li><span class=${`cell small ${state}`} aria-hidden="true"><span>${mark}</span></span>${word}</li>`)}
    </ul>
  `;
}
