/**
 * Tells a URL of the operator's how many workers each pool should have, signed as webhooks are (Standard Webhooks). Whatever answers 2xx has
 * accepted it. The same order is told again as long as the workers are not there.
 */
import type { Poster } from '@penstock/transport';
import { signedHeaders } from '@penstock/transport/signature';
import type { Driver, Order } from './driver.ts';

export interface WebhookDriverOptions {
  readonly url: string;
  /** `whsec_…` */
  readonly secret: string;
  readonly region: string;
  readonly poster: Poster;
  /** Unix ms. */
  readonly now: () => number;
  readonly nextId: () => string;
}

export class WebhookDriver implements Driver {
  readonly #o: WebhookDriverOptions;
  /** As accepted last, by pool. */
  readonly #accepted = new Map<string, number>();

  constructor(options: WebhookDriverOptions) {
    this.#o = options;
  }

  /** What was accepted is believed to come; the scaler sees what does. */
  async look(heard: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    return new Map([...heard].map(([pool, count]) => [pool, this.#accepted.get(pool) ?? count]));
  }

  async order({ pool, workers, gone, reason }: Order): Promise<void> {
    const { url, secret, region, poster, now, nextId } = this.#o;
    const at = now();
    const id = `scale-${nextId()}`;
    const body = JSON.stringify({ type: 'pool.scale', region, pool, workers, gone, reason, at });
    const outcome = await poster.post(
      url,
      {
        ...{ 'content-type': 'application/json', 'user-agent': 'Penstock-Scaler/1' },
        ...signedHeaders([secret], id, at, body),
      },
      body,
    );
    if (outcome.kind === 'unanswered') throw new Error(`the webhook was not answered: ${outcome.reason}`);
    if (outcome.status < 200 || outcome.status > 299)
      throw new Error(`the webhook answered ${outcome.status}`);
    this.#accepted.set(pool, workers);
  }

  async close(): Promise<void> {}
}
