/** What others say at a worker's own address: calls, questions, cancels and orders. */
import {
  type AttemptKey,
  encodeMessage,
  NO_NONCE,
  type RollCallMessage,
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

/** Until a process says that it is not the one that is called, ms: that one would have answered by then, were it not stopped. */
const OTHER_ANSWERS_AFTER_MS = 100;

/** Hears them from now on. */
export function hearOrders({ worker, queue, ...options }: OrdersOptions): void {
  queue.listen({ kind: 'worker', worker }, (payload, reply) => {
    const call = readRollCall(payload);
    if (call !== null) return answerCall(call, options.incarnation, reply);
    const question = readRunningQuestion(payload);
    if (question !== null)
      return reply(encodeMessage({ goesOn: options.stored.has(question.runs, question.attempt) }));
    const cancel = readCancel(payload);
    const order = readDrainOrder(payload);
    if (cancel !== null)
      options.cancel(cancel.cancel, { number: cancel.attempt, nonce: cancel.nonce ?? NO_NONCE });
    else if (order !== null) options.drain(order.drain);
    else options.dropped.count('order');
  });
}

function answerCall({ called }: RollCallMessage, here: string, reply: (payload: Uint8Array) => void): void {
  if (called === here) reply(encodeMessage({ called }));
  else setTimeout(() => reply(encodeMessage({ called, here })), OTHER_ANSWERS_AFTER_MS).unref();
}
