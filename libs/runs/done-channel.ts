/**
 * `done.<region>`: announces that a run is final, with what its engine counted of the prompt, from which the process that accepted it
 * learns. Delivered at most once, so a waiting process reads the record, too.
 */
import type { ControlAddress } from '@penstock/protocol';
import type { DroppedMessages } from '@penstock/runtime';
import type { ControlChannel } from '@penstock/transport';

/** Longer than an id and a number. */
const MOST_BYTES = 128;
const ANNOUNCEMENT = /^([a-z0-9_-]{1,48})(?: (\d{1,9}))?$/;

export class DoneChannel {
  readonly #control: Pick<ControlChannel, 'send' | 'listen'>;
  readonly #address: ControlAddress;

  constructor(control: Pick<ControlChannel, 'send' | 'listen'>, region: string) {
    this.#control = control;
    this.#address = { kind: 'run_ended', region };
  }

  /** @param promptTokens null where the engine told none, or there was no answer. */
  announce(id: string, promptTokens: number | null = null): void {
    this.#control.send(this.#address, Buffer.from(promptTokens === null ? id : `${id} ${promptTokens}`));
  }

  /** @param dropped counts what announces no run. */
  listen(onDone: (id: string, promptTokens: number | null) => void, dropped: DroppedMessages): void {
    this.#control.listen(this.#address, payload => {
      const text = Buffer.from(payload.subarray(0, MOST_BYTES)).toString('latin1');
      const [, id, count] = ANNOUNCEMENT.exec(text) ?? [];
      if (id === undefined) return dropped.count('announcement');
      onDone(id, count === undefined ? null : Number(count));
    });
  }
}
