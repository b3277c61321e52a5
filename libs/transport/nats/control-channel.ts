import type { NatsConnection } from '@nats-io/transport-node';
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

  send(subject: string, payload: Uint8Array): void {
    if (!this.#nc.isClosed()) this.#nc.publish(subject, payload);
  }

  listen(
    subject: string,
    onMessage: (payload: Uint8Array, reply: (answer: Uint8Array) => void) => void,
  ): void {
    this.#nc.subscribe(subject, {
      callback: (err, msg) => {
        if (err === null) onMessage(msg.data, answer => msg.respond(answer));
      },
    });
  }

  async ask(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Answer> {
    const reply = await this.#requests.ask(subject, payload, timeoutMs);
    return reply.kind === 'reply' ? { kind: 'answer', payload: reply.msg.data } : reply;
  }
}
