/** OpenAI's Files API: uploads are streamed to the store and recorded in Redis. */
import { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import type { ResourceAllowance, ResourceLimits } from '@penstock/access';
import { DispatchError, FILE_PURPOSES, type FileRecord, toFileObject } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import { type FileContents, FileLibrary, type FileOwner, type TaskRecords } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Api, Guards } from '../http/guards.ts';
import { answer, baseHeaders } from '../http/headers.ts';
import { readPaging, toPage } from '../http/paging.ts';
import { MAX_FILE_BYTES, readUpload } from './upload.ts';

/** Input files of batches expire after a month, as OpenAI's do; other files stay. */
const BATCH_INPUT_LIFE_S = 30 * 24 * 3600;
const LISTABLE = [...FILE_PURPOSES, 'batch_output'];

type FileRoute = { Params: { id: string } };

export interface FilesOptions {
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly resources: ResourceLimits;
  /** Deletes what is left of lines of batches that have failed for good. @param partOf their input file. */
  readonly dropDead: (partOf: string) => Promise<void>;
  readonly nextId: () => string;
  readonly clock: Pick<Clock, 'now'>;
}

export class FilesApi implements Api {
  readonly #o: FilesOptions;
  readonly #library: FileLibrary;

  constructor(options: FilesOptions) {
    this.#o = options;
    this.#library = new FileLibrary(options.records, options.contents);
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    // Multipart is understood on this route alone: elsewhere it stays an unsupported media type.
    void app.register(async scope => {
      await scope.register(multipart, {
        limits: { fileSize: MAX_FILE_BYTES, files: 1, fields: 8, parts: 10 },
      });
      scope.post('/v1/files', { onRequest }, async (request, reply) =>
        answer(reply, request, await this.#upload(request)),
      );
    });
    app.get('/v1/files', { onRequest }, async (request, reply) =>
      answer(reply, request, await this.#list(request)),
    );
    app.get<FileRoute>('/v1/files/:id', { onRequest }, async (request, reply) =>
      answer(reply, request, toFileObject(await this.find(request.params.id, request.tenant))),
    );
    app.delete<FileRoute>('/v1/files/:id', { onRequest }, async (request, reply) => {
      const file = await this.find(request.params.id, request.tenant);
      await this.#o.dropDead(file.id);
      await this.#library.remove(file);
      return answer(reply, request, { id: file.id, object: 'file', deleted: true });
    });
    app.get<FileRoute>('/v1/files/:id/content', { onRequest }, (request, reply) =>
      this.#content(request, reply),
    );
  }

  /** The error is the same for unknown, malformed and expired ids and for those of another tenant. */
  async find(id: string, tenant: string): Promise<FileRecord> {
    const file = /^file-[a-z0-9]{1,40}$/.test(id) ? await this.#o.records.file(id) : null;
    if (file === null || file.tenant !== tenant || this.#isOver(file))
      throw new DispatchError('file_not_found');
    return file;
  }

  async #content(request: FastifyRequest<FileRoute>, reply: FastifyReply): Promise<FastifyReply> {
    const file = await this.find(request.params.id, request.tenant);
    const content = await this.#o.contents.open(file.digest, ownerOf(file));
    if (content === null) throw new DispatchError('file_not_found');
    reply.headers({
      ...baseHeaders(request, reply.elapsedTime),
      'content-length': file.bytes,
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
      'x-content-type-options': 'nosniff',
    });
    return reply.type('application/octet-stream').send(ofLength(content, file.bytes));
  }

  async #upload(request: FastifyRequest): Promise<object> {
    const allowance = this.#o.resources.of(request.caller, 'files');
    await this.#refuseFull(request, allowance);
    const id = `file-${this.#o.nextId()}`;
    const got = await readUpload(request, id, this.#o.contents, this.#library);
    const earlier = await this.#earlierTry(request, got.digest);
    if (earlier !== null) return toFileObject(earlier);
    const createdAt = Math.floor(this.#o.clock.now() / 1000);
    const lifeS = got.lifeS ?? (got.purpose === 'batch' ? BATCH_INPUT_LIFE_S : null);
    const { likeness: _likeness, ...content } = got.content;
    const file: FileRecord = {
      id,
      tenant: request.tenant,
      ...content,
      createdAt,
      filename: got.filename,
      purpose: got.purpose,
      expiresAt: lifeS === null ? null : createdAt + lifeS,
    };
    const [files, bytes] = [allowance.most('max_files'), allowance.most('max_stored_bytes')];
    const before = await this.#library.add(file, got.digest, {
      ...(files === undefined ? {} : { files }),
      ...(bytes === undefined ? {} : { bytes }),
    });
    allowance.check({ max_files: [before.files, 1], max_stored_bytes: [before.bytes, file.bytes] });
    return toFileObject(file);
  }

  /** Before anything is received of a file that there is no room for, however small. One that is sent again may be there. */
  async #refuseFull(request: FastifyRequest, allowance: ResourceAllowance): Promise<void> {
    const isLimited =
      allowance.most('max_files') !== undefined || allowance.most('max_stored_bytes') !== undefined;
    if (!isLimited || retriesOf(request) > 0) return;
    const { files, bytes } = await this.#o.records.fileUse(request.tenant);
    allowance.check({ max_files: [files, 1], max_stored_bytes: [bytes, 1] });
  }

  /** SDKs send an upload again when the answer was lost, and say so: the file is there already then. */
  async #earlierTry(request: FastifyRequest, digest: string): Promise<FileRecord | null> {
    return retriesOf(request) > 0 ? this.#o.records.uploadedBefore(digest) : null;
  }

  async #list(request: FastifyRequest): Promise<object> {
    const query = request.query as Record<string, string | undefined>;
    const { purpose = null } = query;
    if (purpose !== null && !LISTABLE.includes(purpose))
      throw new DispatchError('invalid_request', {
        message: `Unknown purpose. Use one of ${LISTABLE.join(', ')}.`,
        param: 'purpose',
      });
    const page = await this.#o.records.files(request.tenant, purpose, readPaging(query, 10_000, 10_000));
    return toPage(page, file => (this.#isOver(file) ? null : toFileObject(file)));
  }

  #isOver(file: FileRecord): boolean {
    return file.expiresAt !== null && file.expiresAt <= this.#o.clock.now() / 1000;
  }
}

function ownerOf({ id, tenant, isBound }: FileRecord): FileOwner {
  return { project: tenant, file: id, isBound };
}

function retriesOf({ headers }: FastifyRequest): number {
  return Number(headers['x-stainless-retry-count'] ?? 0);
}

/** As many bytes as the headers say: what is behind them would be taken for the beginning of the next answer. Fails before its last piece where it is longer or shorter. */
function ofLength(content: Readable, bytes: number): Readable {
  return Readable.from(
    (async function* () {
      let left = bytes;
      let held: Buffer | null = null;
      for await (const piece of content as AsyncIterable<Buffer>) {
        left -= piece.length;
        if (left < 0) break;
        if (held !== null) yield held;
        held = piece;
      }
      if (left !== 0) throw new Error('the store has another content of this file than was put there');
      if (held !== null) yield held;
    })(),
    { objectMode: false },
  );
}
