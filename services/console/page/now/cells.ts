/**
 * The cells of the grid. A thousand workers change every second, and to draw them all at once would hold the page up for longer than a
 * keystroke may take: they are drawn in slices, one after the other, and a slice in which nothing changed is not drawn again.
 */
import { Component, type ComponentChildren, type VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { WorkerRow } from '../../shared/region-state.ts';
import { WORKER_STATES } from '../../shared/words.ts';
import { html } from '../base/html.ts';

export type Named = readonly [name: string, row: WorkerRow];

const SLICE = 100;

export function cellId(name: string): string {
  return `worker-${name}`;
}

export interface CellsProps {
  readonly all: readonly Named[];
  readonly chosen: string;
  readonly onChoose: (name: string) => void;
}

export function Cells({ all, chosen, onChoose }: CellsProps): VNode {
  const slices = useSlices(all);
  return html`${slices.map((rows, i) => {
    const isHere = rows.some(([name]) => name === chosen);
    return html`<${Slice} key=${i} rows=${rows} chosen=${isHere ? chosen : null} onChoose=${onChoose} />`;
  })}`;
}

/** `all` in slices, of which one is renewed at a time. They take turns, also where the next change comes before all had theirs. */
function useSlices(all: readonly Named[]): readonly (readonly Named[])[] {
  const [slices, setSlices] = useState(() => cut(all));
  const turn = useRef(0);
  useEffect(() => {
    const next = cut(all);
    let left = next.length;
    let timer = 0;
    const renewOne = () => {
      const at = turn.current++ % next.length;
      setSlices(before =>
        before.length === next.length ? before.with(at, newer(before[at], next[at])) : next,
      );
      if (--left > 0) timer = setTimeout(renewOne);
    };
    if (left > 0) renewOne();
    return () => clearTimeout(timer);
  }, [all]);
  return slices;
}

function cut(all: readonly Named[]): (readonly Named[])[] {
  return Array.from({ length: Math.ceil(all.length / SLICE) }, (_, i) =>
    all.slice(i * SLICE, (i + 1) * SLICE),
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

class Slice extends Component<SliceProps> {
  override shouldComponentUpdate({ rows, chosen }: SliceProps): boolean {
    return rows !== this.props.rows || chosen !== this.props.chosen;
  }

  override render({ rows, chosen, onChoose }: SliceProps): ComponentChildren {
    return rows.map(([name, row]) => cell(name, row, name === chosen, onChoose));
  }
}

function cell(name: string, row: WorkerRow, isChosen: boolean, choose: (name: string) => void): VNode {
  const { mark, word } = WORKER_STATES[row.state];
  const share = row.slots === 0 ? 0 : Math.min(1, (row.running ?? 0) / row.slots);
  const label = `${name}: ${word}, ${row.running ?? 'an unknown number'} of ${row.slots} slots in use`;
  return html`
    <li key=${name} id=${cellId(name)} role="option" aria-selected=${isChosen} aria-label=${label}
      class=${`cell ${row.state}`} style=${{ '--share': `${Math.round(100 * share)}%` }}
      onPointerEnter=${() => choose(name)} onClick=${() => choose(name)}>
      <span aria-hidden="true">${mark}</span>
    </li>
  `;
}
