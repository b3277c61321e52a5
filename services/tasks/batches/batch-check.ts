/** Checks the whole input file before any of it runs, and lists errors with their line numbers. */
import { hash } from 'node:crypto';
import type { Permissions } from '@penstock/access';
import {
  type BatchEndpoint,
  type BatchError,
  type BatchLine,
  type Endpoint,
  type EngineRules,
  ERRORS,
  isBatchError,
  readBatchLine,
} from '@penstock/protocol';
import { InputFileError, type InputLine } from './input-lines.ts';

const MAX_LINES = 50_000;
/** Texts to embed in all lines together: the limit of OpenAI's API. */
const MAX_INPUTS = 50_000;
/** Errors listed, at most. */
const MAX_ERRORS = 100;

/** Rules of this installation for every batch. */
export interface CheckRules {
  /** Whether the model can be asked for here. */
  readonly isModel: (name: string) => Promise<boolean>;
  /** Whether whoever made the batch may ask for the model. */
  readonly mayAsk: (permissions: Permissions, name: string) => boolean;
  /** Whether a worker of the model has the endpoint. */
  readonly hasEndpoint: (name: string, endpoint: Endpoint) => boolean;
  /** Resolves once whoever serves something must have been heard: a process that has just started does not know of all workers. */
  readonly whenHeard: () => Promise<void>;
  /** What may reach an engine. */
  readonly engineRules: EngineRules;
  /** Whether every line must ask for the same model. */
  readonly oneModel: boolean;
}

export interface CheckOptions extends CheckRules {
  readonly endpoint: BatchEndpoint;
  readonly permissions: Permissions;
}

export interface Checked {
  readonly errors: readonly BatchError[];
  readonly total: number;
  /** The model that all lines ask for; null where they differ. */
  readonly model: string | null;
}

export async function checkBatch(lines: AsyncIterable<InputLine>, options: CheckOptions): Promise<Checked> {
  const check = new Check(options);
  try {
    for await (const line of lines) if (!(await check.take(line))) break;
  } catch (err) {
    if (!(err instanceof InputFileError)) throw err;
    check.add(err.code, err.message, null, err.line);
  }
  return check.end();
}

class Check {
  readonly #o: CheckOptions;
  /** Digests of custom ids: 50,000 of the longest ids would take 50 MB. */
  readonly #seen = new Set<string>();
  readonly #errors: BatchError[] = [];
  readonly #models = new Set<string>();
  #total = 0;
  #inputs = 0;

  constructor(options: CheckOptions) {
    this.#o = options;
  }

  add(code: string, message: string, param: string | null, line: number | null): void {
    this.#errors.push({ code, message, param, line });
  }

  /** @returns whether to read on. */
  async take({ number, text }: InputLine): Promise<boolean> {
    if (++this.#total > MAX_LINES) {
      this.add(
        'too_many_requests',
        `A batch has at most ${MAX_LINES} requests. Split it into several.`,
        null,
        number,
      );
      return false;
    }
    const read = readBatchLine(text, number, this.#o.endpoint, this.#o.engineRules);
    if (isBatchError(read)) this.#errors.push(read);
    else await this.#checkLine(read, number);
    if (this.#inputs > MAX_INPUTS) {
      const message = `A batch embeds at most ${MAX_INPUTS} texts in all. Split it into several.`;
      this.add('too_many_inputs', message, 'body.input', number);
      return false;
    }
    return this.#errors.length < MAX_ERRORS;
  }

  async #checkLine(read: BatchLine, line: number): Promise<void> {
    this.#inputs += read.inputs;
    const digest = hash('sha256', read.customId, 'base64url').slice(0, 22);
    if (this.#seen.has(digest))
      this.add('duplicate_custom_id', 'This custom_id is used twice.', 'custom_id', line);
    this.#seen.add(digest);
    const { model } = read.summary;
    const { isModel, hasEndpoint, mayAsk, permissions } = this.#o;
    // What it may not ask for is said to be not there.
    if (!mayAsk(permissions, model) || !(await this.#surely(() => isModel(model))))
      this.add('model_not_found', ERRORS.model_not_found.text, 'body.model', line);
    else if (!(await this.#surely(() => hasEndpoint(model, read.endpoint))))
      this.add('endpoint_not_found', ERRORS.endpoint_not_found.text, 'body.model', line);
    this.#models.add(model);
    if (this.#o.oneModel && this.#models.size > 1)
      this.add(
        'mismatched_model',
        'All lines must ask for the same model. Create a batch for each model.',
        'body.model',
        line,
      );
  }

  /** A no counts only from one who must have heard of it. */
  async #surely(look: () => boolean | Promise<boolean>): Promise<boolean> {
    if (await look()) return true;
    await this.#o.whenHeard();
    return look();
  }

  end(): Checked {
    if (this.#total === 0 && this.#errors.length === 0)
      this.add('empty_file', 'The file contains no requests.', null, null);
    const [model = null] = this.#models;
    return {
      errors: this.#errors.slice(0, MAX_ERRORS),
      total: this.#total,
      model: this.#models.size === 1 ? model : null,
    };
  }
}
