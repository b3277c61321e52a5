/**
 * How much work one tenant may have in the queue, and all of them for a model that no worker serves: what nobody takes would otherwise fill
 * the queue, and everybody's requests be refused.
 */
import { shareWith } from './share.ts';

/** What of the queue work may take for one model that has no worker. */
const UNSERVED_PART = 1 / 8;

/** Messages, and bytes of them. */
export interface Amount {
  readonly messages: number;
  readonly bytes: number;
}

/** The most that there may be once a message has come; no bound where absent. */
export interface BacklogLimits {
  readonly tenant: Amount;
  readonly model?: Amount;
}

/**
 * @param total what the queue holds at most. @param taken what is in it. @param bytes of the message that is to come.
 * @param isServed whether a worker takes work for its model.
 */
export function backlogLimits(total: Amount, taken: Amount, bytes: number, isServed: boolean): BacklogLimits {
  const tenant = {
    messages: shareWith({ total: total.messages, taken: taken.messages }, 1),
    bytes: shareWith({ total: total.bytes, taken: taken.bytes }, bytes),
  };
  if (isServed) return { tenant };
  const model = {
    messages: Math.max(1, Math.floor(UNSERVED_PART * total.messages)),
    bytes: Math.floor(UNSERVED_PART * total.bytes),
  };
  return { tenant, model };
}
