import type { ControlAddress, ControlFilter } from '@penstock/protocol';

/**
 * Takes what comes to an address. What it throws ends nothing: the message is dropped.
 * @param reply answers a question; does nothing where nobody asked.
 * @param from whose subject it came on, which the broker knows: what the message says of its sender is not to be believed.
 */
export type OnControlMessage = (
  payload: Uint8Array,
  reply: (answer: Uint8Array) => void,
  from: string,
) => void;

/** `nobody`: no process listens there. */
export type Answer = { kind: 'answer'; payload: Uint8Array } | { kind: 'nobody' } | { kind: 'timeout' };

/** Short messages beside the queue: heartbeats, cancellations, questions. Each is delivered at most once. */
export interface ControlChannel {
  send(to: ControlAddress, payload: Uint8Array): void;
  listen(filter: ControlFilter, onMessage: OnControlMessage): void;
  /** Never rejects. */
  ask(to: ControlAddress, payload: Uint8Array, timeoutMs: number): Promise<Answer>;
  /** False while the connection is down: what others send meanwhile is lost. */
  readonly connected: boolean;
}
