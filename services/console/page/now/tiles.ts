import type { VNode } from 'preact';
import type { Totals } from '../../shared/region-state.ts';
import { number, percent, seconds } from '../../shared/words.ts';
import { html } from '../base/html.ts';

interface TileProps {
  readonly name: string;
  readonly value: string;
  readonly about: string;
  /** Part of a whole, 0–1, drawn as a bar. */
  readonly share?: number;
}

/** What is not known has no tile: a dash would look like a zero. */
export function Tiles({
  totals,
  targetTtftS,
}: {
  readonly totals: Totals;
  readonly targetTtftS: number;
}): VNode {
  const { arrivalsPerS, servedPerS, queued, oldestS, running, slots, outputPerS } = totals;
  return html`
    <dl class="tiles">
      <${Tile} name="Arrivals" value=${`${number(arrivalsPerS)}/s`} about=${`${number(servedPerS)}/s answered, ${totals.open} open`} />
      <${Tile} name="Queued" value=${String(queued)} about=${queued === 0 ? 'nothing waits' : `the oldest for ${seconds(oldestS)}`} />
      <${Tile} name="In flight" value=${`${number(running)} of ${number(slots)}`} about=${slots === 0 ? 'no slots' : `${percent(running / slots)} of the slots`} share=${slots === 0 ? 0 : running / slots} />
      <${InTarget} totals=${totals} targetTtftS=${targetTtftS} />
      <${Tile} name="Output" value=${`${number(outputPerS)}/s`} about="tokens, by all workers" />
      ${totals.costPerHour !== undefined && html`<${Tile} name="Cost" value=${`${totals.costPerHour.toFixed(2)}/h`} about="of the workers that are heard" />`}
    </dl>
  `;
}

function InTarget({ totals, targetTtftS }: { readonly totals: Totals; readonly targetTtftS: number }): VNode {
  const { inTarget, ttftP50S, ttftP99S } = totals;
  const target = `first token within ${seconds(targetTtftS)}`;
  if (inTarget === undefined)
    return html`<${Tile} name="In target" value="no calls" about=${`${target}; nothing ended in the last minute`} />`;
  const ttft =
    ttftP50S === undefined || ttftP99S === undefined
      ? ''
      : `; p50 ${seconds(ttftP50S)}, p99 ${seconds(ttftP99S)}`;
  return html`<${Tile} name="In target" value=${percent(inTarget)} about=${`${target}${ttft}`} share=${inTarget} />`;
}

function Tile({ name, value, about, share }: TileProps): VNode {
  return html`
    <div class="tile">
      <dt>${name}</dt>
      <dd class="value" data-tile=${name}>${value}</dd>
      ${share !== undefined && html`<dd class="bar" aria-hidden="true"><span style=${{ width: `${Math.round(100 * Math.min(1, share))}%` }}></span></dd>`}
      <dd class="about">${about}</dd>
    </div>
  `;
}
