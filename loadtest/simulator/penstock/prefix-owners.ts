/** Which workers served which prefix: what the ingress keeps in Redis. */
import { MAX_OWNERS } from '@penstock/policy';
import { BLOCK_TOKENS } from '../../workloads/trace.ts';

/** A worker that served a prefix, and how many tokens it had put into its cache by then. */
export interface Owner {
  readonly worker: number;
  readonly stamp: number;
}

/** The longest prefix of a prompt that a worker is believed to hold. */
export interface Holding {
  readonly worker: number;
  tokens: number;
  /** What of them counts, for as far as the worker's cache is trusted. */
  trusted: number;
}

/** Neighbouring blocks that no prompt has told apart have the same owners: a system prompt is one run, however long. */
interface Run {
  blocks: readonly number[];
  /** Latest first. */
  readonly owners: Owner[];
}

export class PrefixOwners {
  /** By first block. An id stands for all up to the block's end, so each block is in one run, and each run behind one other. */
  readonly #runs = new Map<number, Run>();
  readonly #holds: (owner: Owner) => boolean;

  /** @param holds whether the owner's cache can still have what it had then. */
  constructor(holds: (owner: Owner) => boolean) {
    this.#holds = holds;
  }

  /** Who holds some of the prompt, in the order of workers. */
  holdersOf(blocks: readonly number[]): readonly Holding[] {
    const found: Holding[] = [];
    let end = 0;
    for (let run = this.#at(blocks, 0); run !== undefined; run = this.#at(blocks, end)) {
      end += common(run, blocks, end);
      for (const owner of run.owners) if (this.#holds(owner)) note(found, owner.worker, end * BLOCK_TOKENS);
    }
    return found;
  }

  learn(blocks: readonly number[], own: Owner): void {
    let end = 0;
    for (let run = this.#at(blocks, 0); run !== undefined; run = this.#at(blocks, end)) {
      const shared = common(run, blocks, end);
      if (shared < run.blocks.length) this.#split(run, shared);
      putFirst(run.owners, own);
      end += shared;
    }
    if (end < blocks.length) this.#add({ blocks: blocks.slice(end), owners: [own] });
  }

  #at(blocks: readonly number[], index: number): Run | undefined {
    const block = blocks[index];
    return block === undefined ? undefined : this.#runs.get(block);
  }

  #split(run: Run, at: number): void {
    this.#add({ owners: [...run.owners], blocks: run.blocks.slice(at) });
    run.blocks = run.blocks.slice(0, at);
  }

  #add(run: Run): void {
    const first = run.blocks[0];
    if (first !== undefined) this.#runs.set(first, run);
  }
}

/** In place: nearly every request moves an owner of a hot prefix to the front. */
function putFirst(owners: Owner[], own: Owner): void {
  const known = owners.findIndex(other => other.worker === own.worker);
  const end = known < 0 ? Math.min(owners.length, MAX_OWNERS - 1) : known;
  for (let i = end; i > 0; i--) owners[i] = owners[i - 1] ?? own;
  owners[0] = own;
}

/** How many blocks of a run a prompt has from a place on. */
function common({ blocks }: Run, prompt: readonly number[], from: number): number {
  let shared = 1;
  while (shared < blocks.length && blocks[shared] === prompt[from + shared]) shared++;
  return shared;
}

/** Keeps the order of workers. A longer prefix comes later, and counts. */
function note(found: Holding[], worker: number, tokens: number): void {
  const known = found.find(holding => holding.worker === worker);
  if (known !== undefined) {
    known.tokens = known.trusted = tokens;
    return;
  }
  const holding = { worker, tokens, trusted: tokens };
  let i = found.length;
  for (; i > 0; i--) {
    const last = found[i - 1];
    if (last === undefined || last.worker <= worker) break;
    found[i] = last;
  }
  found[i] = holding;
}
