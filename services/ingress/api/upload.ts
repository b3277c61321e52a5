/** Reads a multipart upload: the file is streamed to the store, the fields are checked, and nothing is left of an invalid one. */
import { hash } from 'node:crypto';
import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import { DispatchError, filePurpose, lifetime } from '@penstock/protocol';
import type { FileContents, FileLibrary, FileOwner, StoredContent } from '@penstock/transport';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';

/** OpenAI's limits, for a file and for one of purpose `batch`. */
export const MAX_FILE_BYTES = 512 * 1024 * 1024;
const MAX_BATCH_BYTES = 200 * 1024 * 1024;
const MAX_FILENAME = 255;

export interface Upload {
  readonly content: StoredContent;
  readonly filename: string;
  readonly purpose: string;
  /** Lifetime in seconds that the client asked for. */
  readonly lifeS: number | null;
  /** Tells this upload from others of the tenant. */
  readonly digest: string;
}

/** @param id of the file that it becomes. @throws DispatchError; what was stored is discarded then. */
export async function readUpload(
  request: FastifyRequest,
  id: string,
  contents: FileContents,
  library: FileLibrary,
): Promise<Upload> {
  if (!request.isMultipart())
    throw new DispatchError('unsupported_media_type', { message: 'Send the file as multipart/form-data.' });
  const parts = new Parts(contents, { project: request.tenant, file: id });
  try {
    await parts.read(request);
    return parts.check(request.tenant);
  } catch (err) {
    if (parts.content !== null) await library.discard(parts.content.digest);
    throw err;
  }
}

class Parts {
  readonly #contents: FileContents;
  readonly #owner: FileOwner;
  readonly #fields = new Map<string, string>();
  content: StoredContent | null = null;
  #filename = '';

  constructor(contents: FileContents, owner: FileOwner) {
    this.#contents = contents;
    this.#owner = owner;
  }

  async read(request: FastifyRequest): Promise<void> {
    try {
      for await (const part of request.parts()) {
        if (part.type === 'field') this.#takeField(part);
        else await this.#takeFile(part);
      }
    } catch (err) {
      throw explain(err);
    }
  }

  #takeField({ fieldname, value }: MultipartValue): void {
    if (typeof value === 'string') this.#fields.set(fieldname, value);
  }

  async #takeFile(part: MultipartFile): Promise<void> {
    if (part.fieldname !== 'file') refuse('Send the file in the field "file".', 'file');
    this.#filename = cleanName(part.filename);
    // The parser may fail the stream again after the store has given it up: unheard, that would end the process.
    part.file.on('error', () => {});
    this.content = await this.#contents.put(part.file, this.#owner);
  }

  check(tenant: string): Upload {
    const { content } = this;
    if (content === null) refuse('A file is required.', 'file');
    const purpose = checked(filePurpose, this.#fields.get('purpose'), 'purpose');
    if (purpose === 'batch' && content.bytes > MAX_BATCH_BYTES)
      throw new DispatchError('body_too_large', {
        message: 'A file with the purpose `batch` can have at most 200 MB. Split it into several batches.',
        param: 'file',
      });
    const [anchor, seconds] = ['anchor', 'seconds'].map(name => this.#fields.get(`expires_after[${name}]`));
    const lifeS = checked(lifetime, { anchor, seconds }, 'expires_after')?.seconds ?? null;
    const all = [tenant, content.likeness ?? content.digest, this.#filename, purpose, lifeS].join('\n');
    return { content, filename: this.#filename, purpose, lifeS, digest: hash('sha256', all) };
  }
}

const INCOMPLETE = { message: 'The upload broke off and nothing was stored. Send it again.' };

/** A name without its path and without characters that a header cannot hold. */
function cleanName(name: string | undefined): string {
  const last = name?.split(/[/\\]/).at(-1) ?? '';
  const short = last.replaceAll(/\p{Cc}/gu, '').slice(0, MAX_FILENAME);
  // Cut within a pair of surrogates, it could not be written into a header.
  return short.toWellFormed() || 'upload';
}

/** Translates the parser's errors. */
function explain(err: unknown): unknown {
  if (err instanceof DispatchError) return err;
  const { code, message } = err as { code?: string; message?: string };
  switch (code) {
    case 'FST_REQ_FILE_TOO_LARGE':
      return new DispatchError('body_too_large', {
        message: 'A file can have at most 512 MB. Split it into several.',
        param: 'file',
      });
    case 'FST_FILES_LIMIT':
      return new DispatchError('invalid_request', { message: 'Send one file at a time.', param: 'file' });
    case 'FST_FIELDS_LIMIT':
    case 'FST_PARTS_LIMIT':
      return new DispatchError('invalid_request', {
        message: 'The form has too many fields. Send `file`, `purpose` and `expires_after` only.',
      });
  }
  if (message?.startsWith('Unexpected end of') || code === 'ERR_STREAM_PREMATURE_CLOSE')
    return new DispatchError('invalid_request', INCOMPLETE);
  // Errors of the parser (such as a missing boundary) have no code; those of the store have one.
  if (code !== undefined && !code.startsWith('FST_')) return err;
  return new DispatchError('invalid_request', {
    message: 'The body is not valid multipart/form-data. Check its boundary.',
  });
}

/** @throws DispatchError that names the first mistake. */
function checked<T extends z.ZodType>(schema: T, value: unknown, field: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return refuse(issue?.message ?? 'Not accepted.', [field, ...(issue?.path ?? [])].join('.'));
}

function refuse(message: string, param: string): never {
  throw new DispatchError('invalid_request', { message, param });
}
