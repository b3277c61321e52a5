/**
 * Automatic prefix caching: which blocks of tokens are still in GPU memory. A block's key is the hash of everything up to
 * its end, so equal keys mean equal prefixes. Least recently used blocks go first, and of one chain the tail goes first:
 * a head without its tail is still useful, a tail without its head is not.
 */
import { TextHash } from './hash.ts';

/** vLLM's default block size, tokens. */
export const DEFAULT_BLOCK_TOKENS = 16;
/** Text that counts as one token, here and in the estimate of prompt lengths. */
export const BYTES_PER_TOKEN = 4;

/** The leading full blocks of a text. */
export interface BlockChain {
  readonly keys: readonly number[];
  readonly tokensPerBlock: number;
}

export class PrefixCache {
  readonly #capacityTokens: number;
  /** Key → tokens of the block, least recently used first. */
  readonly #blocks = new Map<number, number>();
  #tokens = 0;

  constructor(capacityTokens: number) {
    this.#capacityTokens = capacityTokens;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** Tokens of the longest cached prefix; its blocks count as just used. */
  match(chain: BlockChain): number {
    const hits = this.#hits(chain);
    for (let i = hits - 1; i >= 0; i--) this.#touch(chain.keys[i] ?? 0, chain.tokensPerBlock);
    return hits * chain.tokensPerBlock;
  }

  /** As {@link match}, without a trace: for who only wants to know. */
  peek(chain: BlockChain): number {
    return this.#hits(chain) * chain.tokensPerBlock;
  }

  #hits(chain: BlockChain): number {
    let hits = 0;
    while (hits < chain.keys.length && this.#blocks.has(chain.keys[hits] ?? 0)) hits++;
    return hits;
  }

  insert(chain: BlockChain): void {
    for (let i = chain.keys.length - 1; i >= 0; i--) this.#touch(chain.keys[i] ?? 0, chain.tokensPerBlock);
    for (const [key, tokens] of this.#blocks) {
      if (this.#tokens <= this.#capacityTokens) break;
      this.#blocks.delete(key);
      this.#tokens -= tokens;
    }
  }

  #touch(key: number, tokens: number): void {
    if (!this.#blocks.delete(key)) this.#tokens += tokens;
    this.#blocks.set(key, tokens);
  }
}

/** Keys of a text's full blocks, taking {@link BYTES_PER_TOKEN} characters as a token. */
export function textBlocks(text: string, tokensPerBlock: number): BlockChain {
  const width = tokensPerBlock * BYTES_PER_TOKEN;
  const hash = new TextHash();
  const keys: number[] = [];
  for (let end = width; end <= text.length; end += width)
    keys.push(hash.update(text, end - width, end).key());
  return { keys, tokensPerBlock };
}

/** Keys of the blocks a trace names. Chained here too, so ids need not be unique to their prefix. */
export function idBlocks(ids: readonly number[], tokensPerBlock: number): BlockChain {
  const hash = new TextHash().update('ids');
  return { keys: ids.map(id => hash.updateInt(id).key()), tokensPerBlock };
}
