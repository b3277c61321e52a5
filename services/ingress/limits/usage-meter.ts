/** What a request of a limited project turns out to need, for when it is over: as its engine counted, else its estimated prompt and what was shown. */
import type { LimitPass, RunPasses } from '@penstock/access';
import { NO_USE, type TokenUse } from '@penstock/policy';
import { type Frame, isErrorStatus, type ResultMeta, readTokenUse } from '@penstock/protocol';

const DATA = Buffer.from('data:');

export class UsageMeter {
  readonly #pass: LimitPass;
  readonly #reserved: TokenUse;
  /** Events of the stream so far: an engine sends one for each token, or for a few. */
  #events = 0;
  #use: TokenUse | null = null;

  /** @param reserved what it was taken to need. */
  constructor(pass: LimitPass, reserved: TokenUse) {
    this.#pass = pass;
    this.#reserved = reserved;
  }

  /** Events of its answer were passed on. */
  shown(events: Buffer): void {
    if (!this.#pass.countsTokens) return;
    for (let at = events.indexOf(DATA); at >= 0; at = events.indexOf(DATA, at + DATA.length)) this.#events++;
  }

  /** @param frame the last one of its answer. */
  answered({ kind, meta, body }: Frame): void {
    if (!this.#pass.countsTokens) return;
    if (kind === 'result' && isErrorStatus((JSON.parse(meta) as ResultMeta).status)) {
      this.#use = NO_USE;
      return;
    }
    const { prompt, output } = readTokenUse(body);
    const isWhole = kind === 'result' && prompt === null && output === null;
    // An answer without a count in one piece: nothing better is known than what it was taken for.
    if (isWhole) this.#use = this.#reserved;
    else this.#use = { prompt: prompt ?? this.#reserved.prompt, output: output ?? this.#events };
  }

  /** The request is over, or goes on as a stored run, which the pass is of from then on. */
  leave(
    {
      id,
      converted,
      starts,
    }: { readonly id: string; readonly converted: object | null; readonly starts: number },
    runs: Pick<RunPasses, 'add'>,
  ): void {
    if (converted !== null && this.#use === null)
      return runs.add(id, { pass: this.#pass, reserved: this.#reserved });
    const unanswered = starts > 0 ? { prompt: this.#reserved.prompt, output: this.#events } : NO_USE;
    this.#pass.settle(this.#use ?? unanswered);
  }

  /** The queue did not take it: it counts for nothing. */
  refused(): void {
    this.#pass.settle(null);
  }
}
