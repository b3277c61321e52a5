/**
 * Requests over one wildcard inbox. The client's own `request()` creates two Error objects with stack traces for each call in
 * case it fails, which took 13 % of the CPU of an ingress at 5,000 publishes/s. Here a failure is a value, and one sweep
 * finds all timeouts.
 */
import { type Msg, type MsgHdrs, type NatsConnection, nuid } from '@nats-io/transport-node';
import { AwakeTime } from '../ports/awake-time.ts';
import { inbox } from './connection/connection.ts';

const SWEEP_MS = 50;
const NO_RESPONDERS = 503;

export type Reply = { kind: 'reply'; msg: Msg } | { kind: 'nobody' } | { kind: 'timeout' };

interface Pending {
  readonly resolve: (reply: Reply) => void;
  /** By {@link AwakeTime}: replies that this process was too busy to read are no silence of others. */
  readonly expiresAt: number;
}

export class NatsRequests {
  readonly #nc: NatsConnection;
  readonly #prefix: string;
  readonly #pending = new Map<string, Pending>();
  #next = 0;
  #time = new AwakeTime(SWEEP_MS);
  #sweep: NodeJS.Timeout | null = null;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    this.#prefix = `${inbox(nc, nuid.next())}.`;
    nc.subscribe(`${this.#prefix}*`, {
      callback: (err, msg) => {
        if (err === null) this.#receive(msg);
      },
    });
  }

  ask(subject: string, payload: Uint8Array, timeoutMs: number, headers?: MsgHdrs): Promise<Reply> {
    if (this.#nc.isClosed()) return Promise.resolve({ kind: 'nobody' });
    const token = (this.#next++).toString(36);
    if (this.#sweep === null) {
      this.#time = new AwakeTime(SWEEP_MS);
      this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    }
    const answered = new Promise<Reply>(resolve => {
      this.#pending.set(token, { resolve, expiresAt: this.#time.ms + timeoutMs });
    });
    const reply = this.#prefix + token;
    this.#nc.publish(subject, payload, headers === undefined ? { reply } : { reply, headers });
    return answered;
  }

  #receive(msg: Msg): void {
    const token = msg.subject.slice(this.#prefix.length);
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    this.#pending.delete(token);
    const nobody = msg.data.length === 0 && msg.headers?.code === NO_RESPONDERS;
    pending.resolve(nobody ? { kind: 'nobody' } : { kind: 'reply', msg });
  }

  #expire(): void {
    this.#time.tick();
    const now = this.#time.ms;
    for (const [token, { resolve, expiresAt }] of this.#pending) {
      if (expiresAt > now) continue;
      this.#pending.delete(token);
      resolve({ kind: 'timeout' });
    }
    if (this.#pending.size > 0 || this.#sweep === null) return;
    clearInterval(this.#sweep);
    this.#sweep = null;
  }
}
