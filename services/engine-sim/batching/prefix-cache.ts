/**
 * Automatic prefix caching: which blocks of tokens are still in GPU memory. A block's key is the hash of everything up to
 * its end, so equal keys mean equal prefixes. Least recently used blocks go first, and of one chain the tail goes first:
 * a head without its tail is still useful, a tail without its head is not.
 */
import { TextHash } from './hash.ts';

/** vLLM's default block size, tokens. */
export const DEFAULT_BLOCK_TOKENS = 16;
/** Text that counts as one token: the simulated tokenizer knows no words. */
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
  /**
   * Keys of the prefix used last: the youngest blocks, its head the youngest of all. Prompts that begin alike come in a
   * row, a prompt is matched before it is inserted, and what is youngest already need not be moved.
   */
  #youngest: readonly number[] = [];

  constructor(capacityTokens: number) {
    this.#capacityTokens = capacityTokens;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** Tokens of the longest cached prefix; its blocks count as just used. */
  match(chain: BlockChain): number {
    const hits = this.#hits(chain);
    this.#use(chain, hits);
    return hits * chain.tokensPerBlock;
  }

  /** As {@link match}, but does not count as a use. */
  peek(chain: BlockChain): number {
    return this.#hits(chain) * chain.tokensPerBlock;
  }

  #hits(chain: BlockChain): number {
    let hits = alike(chain.keys, this.#youngest);
    while (hits < chain.keys.length && this.#blocks.has(chain.keys[hits] ?? 0)) hits++;
    return hits;
  }

  insert(chain: BlockChain): void {
    this.#use(chain, chain.keys.length);
    if (this.#tokens <= this.#capacityTokens) return;
    for (const [key, tokens] of this.#blocks) {
      if (this.#tokens <= this.#capacityTokens) break;
      this.#blocks.delete(key);
      this.#tokens -= tokens;
    }
    this.#youngest = this.#youngest.slice(0, this.#blocks.size);
  }

  /** The first so many blocks of a chain become the youngest. */
  #use({ keys, tokensPerBlock }: BlockChain, count: number): void {
    if (alike(keys, this.#youngest) >= count) return;
    this.#youngest = keys.slice(0, count);
    for (let i = count - 1; i >= 0; i--) {
      const key = keys[i] ?? 0;
      if (!this.#blocks.delete(key)) this.#tokens += tokensPerBlock;
      this.#blocks.set(key, tokensPerBlock);
    }
  }
}

/** How many leading keys two chains have in common. */
function alike(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let same = 0;
  while (same < most && a[same] === b[same]) same++;
  return same;
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
