import type { NatsConnection } from '@nats-io/transport-node';
import { type ControlAddress, type ControlFilter, controlSubject } from '@penstock/protocol';
import type { Answer, ControlChannel } from '../ports/queue/control-channel.ts';
import type { NatsRequests } from './requests.ts';

export class NatsControlChannel implements ControlChannel {
  readonly #nc: NatsConnection;
  readonly #requests: NatsRequests;
  #connected = true;

  constructor(nc: NatsConnection, requests: NatsRequests) {
    this.#nc = nc;
    this.#requests = requests;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** @param connected whether the connection is up now. */
  changed(connected: boolean): void {
    this.#connected = connected;
  }

  send(to: ControlAddress, payload: Uint8Array): void {
    if (!this.#nc.isClosed()) this.#nc.publish(controlSubject(to), payload);
  }

  listen(
    filter: ControlFilter,
    onMessage: (payload: Uint8Array, reply: (answer: Uint8Array) => void) => void,
  ): void {
    this.#nc.subscribe(controlSubject(filter), {
      callback: (err, msg) => {
        if (err === null) onMessage(msg.data, answer => msg.respond(answer));
      },
    });
  }

  async ask(to: ControlAddress, payload: Uint8Array, timeoutMs: number): Promise<Answer> {
    const reply = await this.#requests.ask(controlSubject(to), payload, timeoutMs);
    return reply.kind === 'reply' ? { kind: 'answer', payload: reply.msg.data } : reply;
  }
}
