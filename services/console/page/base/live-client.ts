/**
 * The live state, followed: whole at first, then by what changes. While the page is hidden nothing is asked for; what it missed comes when
 * it is looked at again. A page in front is told four times a second, any other once.
 */
import { applyPatch } from '../../shared/merge-patch.ts';
import type { RegionState, Sample } from '../../shared/region-state.ts';
import { readSession } from './session.ts';

/** Silence after which the page says that what it shows is old, ms: three of the events of a page that is not in front. */
const STALE_AFTER_MS = 3000;
const TRY_AGAIN_MS = 1000;
/** A page that is hidden for less goes on listening, ms. */
const HIDDEN_FOR_MS = 2000;
const MOST_SAMPLES = 900;

export type Connection =
  | { readonly kind: 'connecting' | 'live' | 'paused' }
  | { readonly kind: 'stale'; readonly seconds: number };

export interface LiveView {
  readonly state: RegionState | null;
  readonly samples: readonly Sample[];
  readonly connection: Connection;
}

interface Snapshot {
  readonly state: RegionState;
  readonly samples: readonly Sample[];
}
interface Delta {
  readonly patch: unknown;
  readonly samples: readonly Sample[];
}

export class LiveClient {
  readonly #onChange: (view: LiveView) => void;
  readonly #onLoggedOut: () => void;
  #view: LiveView = { state: null, samples: [], connection: { kind: 'connecting' } };
  #source: EventSource | null = null;
  #lastId = '';
  #heardAt = performance.now();
  #retry = 0;
  #hiding = 0;
  #telling: number | null = null;
  readonly #stops = new AbortController();

  constructor(onChange: (view: LiveView) => void, onLoggedOut: () => void) {
    this.#onChange = onChange;
    this.#onLoggedOut = onLoggedOut;
  }

  start(): void {
    const { signal } = this.#stops;
    document.addEventListener('visibilitychange', () => this.#shown(), { signal });
    for (const event of ['focus', 'blur']) window.addEventListener(event, () => this.#focused(), { signal });
    const watch = setInterval(() => this.#judge(), 1000);
    signal.addEventListener('abort', () => clearInterval(watch));
    this.#open();
  }

  stop(): void {
    this.#stops.abort();
    this.#close();
    if (this.#telling !== null) clearTimeout(this.#telling);
  }

  #shown(): void {
    clearTimeout(this.#hiding);
    if (!document.hidden) {
      if (this.#source === null) this.#open();
      return;
    }
    this.#hiding = setTimeout(() => {
      this.#close();
      this.#say({ connection: { kind: 'paused' } });
    }, HIDDEN_FOR_MS);
  }

  /** Another pace is another stream. */
  #focused(): void {
    if (this.#source === null || this.#source.readyState !== EventSource.OPEN) return;
    if (new URL(this.#source.url).searchParams.get('hz') !== paceNow()) this.#open();
  }

  #open(): void {
    this.#close();
    this.#heardAt = performance.now();
    const query = new URLSearchParams({ hz: paceNow(), after: this.#lastId });
    const source = new EventSource(`/api/live?${query}`);
    this.#source = source;
    source.addEventListener('snapshot', event => {
      const { state, samples } = JSON.parse(event.data) as Snapshot;
      this.#heard(event, state, samples);
    });
    source.addEventListener('delta', event => {
      const { patch, samples } = JSON.parse(event.data) as Delta;
      const state = applyPatch(this.#view.state, patch) as RegionState;
      // The same where none came, so that charts are drawn once a second.
      const all = samples.length === 0 ? this.#view.samples : [...this.#view.samples, ...samples];
      this.#heard(event, state, all.length > MOST_SAMPLES ? all.slice(-MOST_SAMPLES) : all);
    });
    // A refused stream is not tried again by the browser; one whose connection broke is.
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED && source === this.#source) void this.#refused();
    });
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  async #refused(): Promise<void> {
    if ((await readSession()) === null) return this.#onLoggedOut();
    this.#retry = setTimeout(() => this.#open(), TRY_AGAIN_MS);
  }

  #heard(event: MessageEvent, state: RegionState, samples: readonly Sample[]): void {
    this.#lastId = event.lastEventId;
    this.#heardAt = performance.now();
    this.#say({ state, samples, connection: { kind: 'live' } });
  }

  #judge(): void {
    const silentMs = performance.now() - this.#heardAt;
    if (this.#view.connection.kind === 'paused' || silentMs < STALE_AFTER_MS) return;
    this.#say({ connection: { kind: 'stale', seconds: Math.round(silentMs / 1000) } });
  }

  /** Told once for all that came together: a page that was held up catches up in one drawing. */
  #say(change: Partial<LiveView>): void {
    this.#view = { ...this.#view, ...change };
    this.#telling ??= setTimeout(() => {
      this.#telling = null;
      this.#onChange(this.#view);
    });
  }
}

function paceNow(): string {
  return document.hasFocus() ? '4' : '1';
}
