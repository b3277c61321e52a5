/** The fields of a multipart form, read as it comes; what is in its files is passed over. */
import { Busboy } from '@fastify/busboy';
import { DispatchError } from '@penstock/protocol';

/** The SDKs send a dozen short ones. */
const LIMITS = { fields: 100, fieldSize: 64 * 1024, files: 20, parts: 120 };

export class FormFields {
  readonly #fields = new Map<string, string>();
  readonly #form: InstanceType<typeof Busboy>;
  readonly #done: Promise<void>;

  /** @throws DispatchError for a type without a boundary. */
  constructor(contentType: string) {
    const take = (name: string, value: string) =>
      void (this.#fields.has(name) || this.#fields.set(name, value));
    try {
      this.#form = new Busboy({ headers: { 'content-type': contentType }, limits: LIMITS });
    } catch {
      throw notAForm();
    }
    const form = this.#form;
    form.on('field', take);
    form.on('file', (name, file, filename) => {
      take(name, filename ?? '');
      // A part that breaks off is an error of the part too, and an error that nobody hears ends the process.
      file.on('error', () => {});
      file.resume();
    });
    this.#done = new Promise((resolve, reject) => {
      form.on('error', () => reject(notAForm()));
      form.on('finish', resolve);
    });
    this.#done.catch(() => {});
  }

  /** Null where more may come at once. @throws DispatchError for what is not a form. */
  push(piece: Buffer): Promise<void> | null {
    if (this.#form.write(piece)) return null;
    return Promise.race([new Promise<void>(resolve => this.#form.once('drain', resolve)), this.#done]);
  }

  /** Text fields by name, the first of each; of a file its name. @throws DispatchError where it is not a whole form. */
  async end(): Promise<Record<string, string>> {
    this.#form.end();
    await this.#done;
    return Object.fromEntries(this.#fields);
  }
}

function notAForm(): DispatchError {
  return new DispatchError('invalid_request', { message: 'The multipart body is not valid.' });
}
