import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { type ControlAddress, type ControlFilter, controlSubject } from '@penstock/protocol';
import type { Answer, ControlChannel, OnControlMessage } from '../ports/queue/control-channel.ts';
import type { NatsRequests } from './requests.ts';

/**
 * Where an answer may go: the inbox of whoever asks. A sender that names another subject would have this process publish there in its
 * place, with rights that the sender has not.
 */
const INBOX = /^_INBOX[\w-]*(?:\.[\w-]+){1,4}$/;

/** Answers whoever asks at an inbox, and nobody else. */
export function respondTo(nc: Pick<NatsConnection, 'isClosed'>, msg: Msg, answer: Uint8Array | string): void {
  if (INBOX.test(msg.reply ?? '') && !nc.isClosed()) msg.respond(answer);
}

export class NatsControlChannel implements ControlChannel {
  readonly #nc: NatsConnection;
  readonly #requests: NatsRequests;
  readonly #onUnhandled: (err: unknown) => void;
  #connected = true;

  /** @param onUnhandled told what a listener has thrown. */
  constructor(nc: NatsConnection, requests: NatsRequests, onUnhandled: (err: unknown) => void) {
    this.#nc = nc;
    this.#requests = requests;
    this.#onUnhandled = onUnhandled;
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

  listen(filter: ControlFilter, onMessage: OnControlMessage): void {
    this.#nc.subscribe(controlSubject(filter), {
      callback: (err, msg) => {
        if (err !== null) return;
        const { data, subject } = msg;
        // It may come from a timer, when the connection is being closed.
        const reply = (answer: Uint8Array) => this.#caught(() => respondTo(this.#nc, msg, answer));
        this.#caught(() => onMessage(data, reply, subject.slice(subject.lastIndexOf('.') + 1)));
      },
    });
  }

  #caught(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      this.#onUnhandled(thrown);
    }
  }

  async ask(to: ControlAddress, payload: Uint8Array, timeoutMs: number): Promise<Answer> {
    const reply = await this.#requests.ask(controlSubject(to), payload, timeoutMs);
    return reply.kind === 'reply' ? { kind: 'answer', payload: reply.msg.data } : reply;
  }
}
