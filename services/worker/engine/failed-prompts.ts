/** Which requests the engine failed lately: clients send the same one again and again. */
import { createHash } from 'node:crypto';

const MOST = 1000;

export class FailedPrompts {
  /** Digests, oldest first. */
  readonly #digests = new Set<string>();

  /** @returns whether the same body failed before; it is known from now on. */
  isKnown(body: Buffer): boolean {
    const digest = createHash('sha256').update(body).digest('base64');
    const isKnown = this.#digests.delete(digest);
    this.#digests.add(digest);
    const [oldest] = this.#digests;
    if (this.#digests.size > MOST && oldest !== undefined) this.#digests.delete(oldest);
    return isKnown;
  }
}
