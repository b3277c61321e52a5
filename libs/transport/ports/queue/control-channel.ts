import type { ControlAddress, ControlFilter } from '@penstock/protocol';

/** `nobody`: no process listens there. */
export type Answer = { kind: 'answer'; payload: Uint8Array } | { kind: 'nobody' } | { kind: 'timeout' };

/** Short messages beside the queue: heartbeats, cancellations, questions. Each is delivered at most once. */
export interface ControlChannel {
  send(to: ControlAddress, payload: Uint8Array): void;
  listen(
    filter: ControlFilter,
    onMessage: (payload: Uint8Array, reply: (answer: Uint8Array) => void) => void,
  ): void;
  /** Never rejects. */
  ask(to: ControlAddress, payload: Uint8Array, timeoutMs: number): Promise<Answer>;
  /** False while the connection is down: what others send meanwhile is lost. */
  readonly connected: boolean;
}
