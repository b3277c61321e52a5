/**
 * `done.<region>`: announces that a run is final, with what its engine counted of the prompt, from which the process that accepted it
 * learns. Delivered at most once, so a waiting process reads the record, too.
 */
import type { ControlAddress } from '@penstock/protocol';
import type { ControlChannel } from '@penstock/transport';

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

  listen(onDone: (id: string, promptTokens: number | null) => void): void {
    this.#control.listen(this.#address, payload => {
      const [id = '', count] = Buffer.from(payload).toString('latin1').split(' ');
      onDone(id, count !== undefined && /^\d{1,9}$/.test(count) ? Number(count) : null);
    });
  }
}
