/** What a response builds on: the chain of `previous_response_id`, and stored items that its input only refers to. */
import {
  DispatchError,
  type ElidedMedia,
  type InputItem,
  isItemReference,
  placeOfItem,
  publicId,
  type StoredRun,
} from '@penstock/protocol';
import type { RunFinder } from '@penstock/runs';
import { chainKeyOf } from '../../placement/session-key.ts';
import { elidedDetailIn, itemsOf, outputOf } from '../../runs/response-view.ts';

/** Responses a chain of `previous_response_id` may have, or the references of one input lead to. */
const MAX_RUNS = 200;
/** Ids that the list of input items gives to those that came without one. */
const INPUT_ID = /^item_([a-z0-9_-]{1,48})_\d{1,6}$/;

export interface History {
  /** Oldest first. */
  readonly earlier: readonly InputItem[];
  /** Key of the chain; null for a response without a predecessor. */
  readonly root: string | null;
}

export class ResponseHistory {
  readonly #runs: Pick<RunFinder, 'find'>;
  readonly #mostBytes: number;

  /** @param mostBytes that a request may have together with the responses it follows. */
  constructor(runs: Pick<RunFinder, 'find'>, mostBytes: number) {
    this.#runs = runs;
    this.#mostBytes = mostBytes;
  }

  /**
   * @param media gets the large ones of the items, which have markers in their places.
   * @throws DispatchError where a response of the chain is not there, or the chain is too long.
   */
  async read(previousId: string | null, tenant: string, media: ElidedMedia): Promise<History> {
    let root: string | null = null;
    let bytes = 0;
    const parts: InputItem[][] = [];
    for (let id = previousId; id !== null; ) {
      const run = await this.#answered(id, tenant);
      if (run === null)
        throw new DispatchError('previous_response_not_found', { param: 'previous_response_id' });
      if (parts.length >= MAX_RUNS)
        throw new DispatchError('invalid_request', {
          message: `A chain has at most ${MAX_RUNS} responses. Begin a new one with the parts of this one that matter.`,
          param: 'previous_response_id',
        });
      bytes += run.detail.length + (run.result?.body.length ?? 0);
      this.assertFits(bytes);
      const detail = elidedDetailIn(run, media);
      parts.unshift([...detail.input, ...outputOf(run, detail)]);
      root = detail.chain ?? chainKeyOf(null, run.id);
      id = detail.previousId;
    }
    return { earlier: parts.flat(), root };
  }

  /**
   * The input with the items that its `item_reference`s mean in their places.
   * @param earlier items of the conversation before it.
   * @throws DispatchError `item_not_found` for an item that is not stored, or not this tenant's.
   */
  async resolve(
    input: readonly InputItem[],
    tenant: string,
    earlier: readonly InputItem[],
  ): Promise<readonly InputItem[]> {
    if (!input.some(isItemReference)) return input;
    const items = new Map(earlier.map(item => [item['id'], item]));
    const known = new Map<string, Promise<readonly InputItem[]>>();
    const resolved: InputItem[] = [];
    for (const item of input) {
      const meant = isItemReference(item)
        ? (items.get(item['id']) ?? (await this.#find(String(item['id']), tenant, known)))
        : item;
      items.set(meant['id'], meant);
      resolved.push(meant);
    }
    return resolved;
  }

  /** @param known items of the responses that were read for this request. */
  async #find(
    id: string,
    tenant: string,
    known: Map<string, Promise<readonly InputItem[]>>,
  ): Promise<InputItem> {
    const runId = placeOfItem(id)?.runId ?? INPUT_ID.exec(id)?.[1];
    const missing = new DispatchError('item_not_found', {
      message: `Item with id '${id.slice(0, 64)}' not found. Items of responses with \`store: false\` are not kept: send the item itself.`,
      param: 'input',
    });
    if (runId === undefined || (!known.has(runId) && known.size >= MAX_RUNS)) throw missing;
    const items = known.get(runId) ?? this.#itemsOf(runId, tenant);
    known.set(runId, items);
    const item = (await items).find(each => each['id'] === id);
    if (item === undefined) throw missing;
    return item;
  }

  async #itemsOf(runId: string, tenant: string): Promise<readonly InputItem[]> {
    const run = await this.#answered(publicId({ kind: 'response', id: runId }), tenant);
    if (run === null) return [];
    return itemsOf(run);
  }

  /** Null where there is no such response, or not yet an answer. */
  async #answered(id: string, tenant: string): Promise<StoredRun | null> {
    const run = await this.#runs.find(id, tenant, 'response').catch(() => null);
    return run?.result?.status === 200 ? run : null;
  }

  /** @throws DispatchError where so many bytes are too many for the queue. */
  assertFits(bytes: number): void {
    if (bytes <= this.#mostBytes) return;
    throw new DispatchError('body_too_large', {
      message: `The input and the responses before it have more than ${this.#mostBytes} bytes together. Begin a new chain with the parts that matter.`,
      param: 'previous_response_id',
    });
  }
}
