/**
 * The cells of the grid. A thousand workers change every second, and to draw them all at once would hold the page up for longer than a
 * keystroke may take: they are drawn in slices, each in a frame of its own, and a slice in which nothing changed is not drawn again. A
 * slice has whole rows and a box of its own, so that the browser neither lays out nor paints the others with it.
 */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { WorkerRow } from '../../shared/region-state.ts';
import { WORKER_STATES } from '../../shared/words.ts';
import { html } from '../base/html.ts';
import { Pure } from '../base/pure.ts';

export type Named = readonly [name: string, row: WorkerRow];

/** Cells of a slice, about. */
const SLICE = 60;
/** Between two slices, ms: some frames, so that what else wants to be drawn comes in between. */
const PAUSE_MS = 40;

export function cellId(name: string): string {
  return `worker-${name}`;
}

export interface CellsProps {
  readonly all: readonly Named[];
  readonly chosen: string;
  readonly onChoose: (name: string) => void;
  /** Cells that fit beside one another. */
  readonly perRow: number;
}

export function Cells({ perRow, ...others }: CellsProps): VNode {
  const length = Math.max(1, Math.round(SLICE / perRow)) * perRow;
  // Cut in another way it is another list.
  return html`<${Slices} key=${length} length=${length} ...${others} />`;
}

interface SlicesProps extends Omit<CellsProps, 'perRow'> {
  readonly length: number;
}

function Slices({ all, length, chosen, onChoose }: SlicesProps): VNode {
  const slices = useSlices(all, length);
  return html`${slices.map((rows, i) => {
    const isHere = rows.some(([name]) => name === chosen);
    return html`<${Slice} key=${i} rows=${rows} chosen=${isHere ? chosen : null} onChoose=${onChoose} />`;
  })}`;
}

/** `all` in slices, of which one is renewed at a time. They take turns, also where the next change comes before all had theirs. */
function useSlices(all: readonly Named[], length: number): readonly (readonly Named[])[] {
  const [slices, setSlices] = useState(() => cut(all, length));
  const turn = useRef(0);
  useEffect(() => {
    const next = cut(all, length);
    let left = next.length;
    let timer = 0;
    let frame = 0;
    const renewOne = () => {
      const at = turn.current++ % next.length;
      setSlices(before =>
        before.length === next.length ? before.with(at, newer(before[at], next[at])) : next,
      );
      if (--left === 0) return;
      // A page that is behind has few frames, and would draw several slices in one.
      timer = setTimeout(() => {
        frame = requestAnimationFrame(renewOne);
      }, PAUSE_MS);
    };
    if (left > 0) renewOne();
    return () => {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    };
  }, [all]);
  return slices;
}

function cut(all: readonly Named[], length: number): (readonly Named[])[] {
  return Array.from({ length: Math.ceil(all.length / length) }, (_, i) =>
    all.slice(i * length, (i + 1) * length),
  );
}

/** The one that is drawn already, where it says the same. */
function newer(drawn: readonly Named[] = [], next: readonly Named[] = []): readonly Named[] {
  const isSame =
    drawn.length === next.length &&
    drawn.every(([name, row], i) => next[i]?.[0] === name && next[i]?.[1] === row);
  return isSame ? drawn : next;
}

interface SliceProps {
  readonly rows: readonly Named[];
  /** The one of these that is chosen, if any. */
  readonly chosen: string | null;
  readonly onChoose: (name: string) => void;
}

class Slice extends Pure<SliceProps> {
  override render({ rows, chosen, onChoose }: SliceProps): ComponentChildren {
    return html`<div class="slice" role="none">${rows.map(([name, row]) => cell(name, row, name === chosen, onChoose))}</div>`;
  }
}

function cell(name: string, row: WorkerRow, isChosen: boolean, choose: (name: string) => void): VNode {
  const { mark, word } = WORKER_STATES[row.state];
  const share = row.slots === 0 ? 0 : Math.min(1, (row.running ?? 0) / row.slots);
  const label = `${name}: ${word}, ${row.running ?? 'an unknown number'} of ${row.slots} slots in use`;
  return html`
    <div key=${name} id=${cellId(name)} role="option" aria-selected=${isChosen} aria-label=${label}
      class=${`cell ${row.state}`} style=${{ '--share': `${Math.round(100 * share)}%` }}
      onPointerEnter=${() => choose(name)} onClick=${() => choose(name)}>
      <span aria-hidden="true">${mark}</span>
    </div>
  `;
}
