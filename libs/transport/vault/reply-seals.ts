/**
 * Answers on their way to clients that wait, in the log of replies: what frames say is sealed under the key of their request, each for its place in
 * its attempt. The worker was given the key with the message, and the ingress that sealed that message keeps it while the client waits.
 */
import type { FailedMeta, Frame } from '@penstock/protocol';
import {
  fromSealedText,
  isSealed,
  isSealedText,
  keyIdIn,
  openWith,
  type RecordKey,
  SealError,
  sealWith,
  toSealedText,
} from './sealed-bytes.ts';

/** Many times as many as wait at one ingress; the oldest is forgotten where one was not told of its end. */
const MOST_WAITING = 100_000;

export function sealFrame(key: RecordKey, frame: Frame): Frame {
  if (frame.kind === 'failed') {
    const failure = JSON.parse(frame.meta) as FailedMeta;
    const message = toSealedText(sealWith(key, fieldOf(frame), Buffer.from(failure.message)));
    return { ...frame, meta: JSON.stringify({ ...failure, message }) };
  }
  return frame.body.length === 0 ? frame : { ...frame, body: sealWith(key, fieldOf(frame), frame.body) };
}

/** Keys of requests whose clients wait here. */
export class ReplyKeys {
  /** More than one of a request whose message was sealed again on another day. */
  readonly #waiting = new Map<string, readonly RecordKey[]>();

  add(id: string, key: RecordKey): void {
    const known = (this.#waiting.get(id) ?? []).filter(({ keyId }) => keyId !== key.keyId);
    this.#waiting.set(id, [...known, key]);
    if (this.#waiting.size > MOST_WAITING) this.#waiting.delete(this.#waiting.keys().next().value ?? '');
  }

  forget(id: string): void {
    this.#waiting.delete(id);
  }

  /** What was sent in the clear stays as it is. @throws SealError */
  open(frame: Frame): Frame {
    const keys = this.#waiting.get(frame.id);
    if (keys === undefined) return frame;
    if (frame.kind === 'failed') {
      const failure = JSON.parse(frame.meta) as FailedMeta;
      if (!isSealedText(failure.message)) return frame;
      const message = opened(keys, frame, fromSealedText(failure.message)).toString('utf8');
      return { ...frame, meta: JSON.stringify({ ...failure, message }) };
    }
    return isSealed(frame.body) ? { ...frame, body: opened(keys, frame, frame.body) } : frame;
  }
}

function opened(keys: readonly RecordKey[], frame: Frame, sealed: Buffer): Buffer {
  const key = keys.find(({ keyId }) => keyId === keyIdIn(sealed));
  if (key === undefined) throw new SealError('an answer is sealed with a key that its request did not have');
  return openWith(key, fieldOf(frame), sealed);
}

function fieldOf({ attempt, nonce, seq }: Frame): string {
  return `reply:${attempt}:${nonce}:${seq}`;
}
