/** What others say at a worker's own address: calls, questions, cancels and orders. */
import {
  type AttemptKey,
  encodeMessage,
  NO_NONCE,
  readCancel,
  readDrainOrder,
  readRollCall,
  readRunningQuestion,
} from '@penstock/protocol';
import type { DroppedMessages } from '@penstock/runtime';
import type { ControlChannel } from '@penstock/transport';
import type { StoredRuns } from './stored/stored-runs.ts';

export interface OrdersOptions {
  readonly worker: string;
  readonly incarnation: string;
  readonly queue: Pick<ControlChannel, 'listen'>;
  readonly stored: Pick<StoredRuns, 'has'>;
  readonly cancel: (id: string, attempt: AttemptKey) => void;
  readonly drain: (isOn: boolean) => void;
  /** Counts what is none of these. */
  readonly dropped: DroppedMessages;
}

/** Hears them from now on. */
export function hearOrders({ worker, queue, ...options }: OrdersOptions): void {
  queue.listen({ kind: 'worker', worker }, (payload, reply) => {
    const answer = answerTo(payload, options);
    if (answer !== null) return reply(answer);
    const cancel = readCancel(payload);
    const order = readDrainOrder(payload);
    if (cancel !== null)
      options.cancel(cancel.cancel, { number: cancel.attempt, nonce: cancel.nonce ?? NO_NONCE });
    else if (order !== null) options.drain(order.drain);
    // Another process of this name is called.
    else if (readRollCall(payload) === null) options.dropped.count('order');
  });
}

function answerTo(
  payload: Uint8Array,
  { incarnation, stored }: Pick<OrdersOptions, 'incarnation' | 'stored'>,
): Uint8Array | null {
  const call = readRollCall(payload);
  if (call?.called === incarnation) return encodeMessage(call);
  const question = readRunningQuestion(payload);
  return question === null ? null : encodeMessage({ goesOn: stored.has(question.runs, question.attempt) });
}
