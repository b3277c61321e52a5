/** The control channel in memory. All listeners and senders share one object. */
import { type ControlAddress, type ControlFilter, controlSubject } from '@penstock/protocol';
import type { Answer, ControlChannel, OnControlMessage } from '../../ports/queue/control-channel.ts';
import type { MemoryClock } from '../clock.ts';
import { Recorded } from '../recorded.ts';
import { matchesFilter } from './subjects.ts';

interface Listener {
  readonly filter: ControlFilter;
  readonly onMessage: OnControlMessage;
}

interface Question {
  readonly expiresAt: number;
  readonly resolve: (answer: Answer) => void;
}

export class MemoryControlChannel implements ControlChannel {
  readonly #clock: MemoryClock;
  readonly #listeners: Listener[] = [];
  readonly #questions = new Set<Question>();
  #connected = true;
  readonly sent = new Recorded<{ readonly address: ControlAddress; readonly payload: Uint8Array }>();

  constructor(clock: MemoryClock) {
    this.#clock = clock;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** @param connected false: what is sent is lost. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
  }

  send(to: ControlAddress, payload: Uint8Array): void {
    if (!this.#connected) return;
    this.sent.add({ address: to, payload });
    for (const { onMessage } of this.#heardBy(to))
      queueMicrotask(() => onMessage(payload, () => {}, lastTokenOf(to)));
  }

  listen(filter: ControlFilter, onMessage: OnControlMessage): void {
    this.#listeners.push({ filter, onMessage });
  }

  ask(to: ControlAddress, payload: Uint8Array, timeoutMs: number): Promise<Answer> {
    const heardBy = this.#heardBy(to);
    if (!this.#connected || heardBy.length === 0) return Promise.resolve({ kind: 'nobody' });
    return new Promise(resolve => {
      const question: Question = { expiresAt: this.#clock.now() + timeoutMs, resolve };
      this.#questions.add(question);
      const answer = (bytes: Uint8Array) => {
        this.#questions.delete(question);
        resolve({ kind: 'answer', payload: bytes });
      };
      for (const { onMessage } of heardBy) queueMicrotask(() => onMessage(payload, answer, lastTokenOf(to)));
    });
  }

  /** Ends the questions whose time is over. */
  elapse(): void {
    for (const question of this.#questions) {
      if (question.expiresAt > this.#clock.now()) continue;
      this.#questions.delete(question);
      question.resolve({ kind: 'timeout' });
    }
  }

  #heardBy(to: ControlAddress): Listener[] {
    const subject = controlSubject(to);
    return this.#listeners.filter(({ filter }) => matchesFilter(subject, controlSubject(filter)));
  }
}

function lastTokenOf(to: ControlAddress): string {
  return controlSubject(to).split('.').at(-1) ?? '';
}
