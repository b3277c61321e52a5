/** Parts that several pages are made of. */
import type { VNode } from 'preact';
import { html } from './html.ts';
import type { Loaded } from './load.ts';

/** What stands in the place of something that is not there, or not yet. */
export function NotLoaded({
  loaded,
}: {
  readonly loaded: Exclude<Loaded<unknown>, { kind: 'loaded' }>;
}): VNode {
  return loaded.kind === 'loading'
    ? html`<p class="panel" role="status">Loading…</p>`
    : html`<p class="panel problem" role="alert">${loaded.problem}</p>`;
}

export type Fact = readonly [term: string, fact: string];

/** Entries of a list of facts. */
export function entriesOf(facts: readonly Fact[]): VNode[] {
  return facts.map(([term, fact]) => html`<div key=${term}><dt>${term}</dt><dd>${fact}</dd></div>`);
}

/** As the reader's system writes it. @param at Unix ms, or ISO 8601. */
export function timeOf(at: number | string): string {
  return new Date(at).toLocaleString();
}
