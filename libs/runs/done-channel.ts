/** `done.<region>`: announces that a run is final. Delivered at most once, so a waiting process reads the record, too. */
import { doneSubject } from '@penstock/protocol';
import type { ControlChannel } from '@penstock/transport';

export class DoneChannel {
  readonly #control: Pick<ControlChannel, 'send' | 'listen'>;
  readonly #subject: string;

  constructor(control: Pick<ControlChannel, 'send' | 'listen'>, region: string) {
    this.#control = control;
    this.#subject = doneSubject(region);
  }

  tell(id: string): void {
    this.#control.send(this.#subject, Buffer.from(id));
  }

  listen(onDone: (id: string) => void): void {
    this.#control.listen(this.#subject, id => onDone(Buffer.from(id).toString('latin1')));
  }
}
