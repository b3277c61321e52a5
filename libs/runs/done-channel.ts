/** `done.<region>`: announces that a run is final. Delivered at most once, so a waiting process reads the record, too. */
import type { ControlAddress } from '@penstock/protocol';
import type { ControlChannel } from '@penstock/transport';

export class DoneChannel {
  readonly #control: Pick<ControlChannel, 'send' | 'listen'>;
  readonly #address: ControlAddress;

  constructor(control: Pick<ControlChannel, 'send' | 'listen'>, region: string) {
    this.#control = control;
    this.#address = { kind: 'run_ended', region };
  }

  announce(id: string): void {
    this.#control.send(this.#address, Buffer.from(id));
  }

  listen(onDone: (id: string) => void): void {
    this.#control.listen(this.#address, id => onDone(Buffer.from(id).toString('latin1')));
  }
}
