/** OpenAI's Files API: uploads go to the store as they come in, and are remembered in Redis. */
import multipart from '@fastify/multipart';
import { DispatchError, FILE_PURPOSES, type FileRecord, toFileObject } from '@penstock/protocol';
import { type FileContents, FileLibrary, type TaskRecords } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readPaging, toPage } from '../http/paging.ts';
import { baseHeaders } from '../replies/http-reply.ts';
import { MAX_FILE_BYTES, readUpload } from './upload.ts';

/** Input of batches goes after a month, as OpenAI's does; other files stay. */
const BATCH_INPUT_LIFE_S = 30 * 24 * 3600;
const LISTABLE = [...FILE_PURPOSES, 'batch_output'];

export interface FilesDeps {
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly nextId: () => string;
}

type Guard = (request: FastifyRequest) => Promise<void>;
type FileRoute = { Params: { id: string } };

export function addFiles(app: FastifyInstance, deps: FilesDeps, onRequest: Guard): void {
  const library = new FileLibrary(deps.records, deps.contents);
  // Multipart is understood on this route alone: elsewhere it stays an unsupported media type.
  void app.register(async scope => {
    await scope.register(multipart, { limits: { fileSize: MAX_FILE_BYTES, files: 1, fields: 8, parts: 10 } });
    scope.post('/v1/files', { onRequest }, (request, reply) => upload(deps, library, request, reply));
  });
  app.get('/v1/files', { onRequest }, (request, reply) => list(deps, request, reply));
  app.get<FileRoute>('/v1/files/:id', { onRequest }, async (request, reply) =>
    answer(reply, request, toFileObject(await findFile(deps, request.params.id, request.tenant))),
  );
  app.delete<FileRoute>('/v1/files/:id', { onRequest }, async (request, reply) => {
    const file = await findFile(deps, request.params.id, request.tenant);
    await library.remove(file);
    return answer(reply, request, { id: file.id, object: 'file', deleted: true });
  });
  app.get<FileRoute>('/v1/files/:id/content', { onRequest }, async (request, reply) => {
    const file = await findFile(deps, request.params.id, request.tenant);
    const content = await deps.contents.open(file.digest);
    if (content === null) throw new DispatchError('file_not_found');
    reply.headers({
      ...baseHeaders(request.id, Date.now()),
      'content-length': file.bytes,
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
      'x-content-type-options': 'nosniff',
    });
    return reply.type('application/octet-stream').send(content);
  });
}

/** Unknown, malformed, foreign and expired ids are all the same to a client. */
export async function findFile(deps: FilesDeps, id: string, tenant: string): Promise<FileRecord> {
  const file = /^file-[a-z0-9]{1,40}$/.test(id) ? await deps.records.file(id) : null;
  if (file === null || file.tenant !== tenant || isOver(file)) throw new DispatchError('file_not_found');
  return file;
}

function isOver(file: FileRecord): boolean {
  return file.expiresAt !== null && file.expiresAt <= Date.now() / 1000;
}

function answer(reply: FastifyReply, request: FastifyRequest, body: object): FastifyReply {
  return reply.headers(baseHeaders(request.id, Date.now())).send(body);
}

async function upload(
  deps: FilesDeps,
  library: FileLibrary,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const got = await readUpload(request, deps.contents, library);
  const earlier = await earlierTry(deps, request, got.digest);
  if (earlier !== null) return answer(reply, request, toFileObject(earlier));
  const createdAt = Math.floor(Date.now() / 1000);
  const lifeS = got.lifeS ?? (got.purpose === 'batch' ? BATCH_INPUT_LIFE_S : null);
  const file: FileRecord = {
    id: `file-${deps.nextId()}`,
    tenant: request.tenant,
    ...got.content,
    createdAt,
    filename: got.filename,
    purpose: got.purpose,
    expiresAt: lifeS === null ? null : createdAt + lifeS,
  };
  await library.add(file, got.digest);
  return answer(reply, request, toFileObject(file));
}

/** SDKs send an upload again when the answer was lost, and say so: the file is there already then. */
async function earlierTry(
  deps: FilesDeps,
  request: FastifyRequest,
  digest: string,
): Promise<FileRecord | null> {
  const retries = Number(request.headers['x-stainless-retry-count'] ?? 0);
  return retries > 0 ? deps.records.uploadedBefore(digest) : null;
}

async function list(deps: FilesDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = request.query as Record<string, string | undefined>;
  const { purpose = null } = query;
  if (purpose !== null && !LISTABLE.includes(purpose))
    throw new DispatchError('invalid_request', {
      message: `Use one of ${LISTABLE.join(', ')}.`,
      param: 'purpose',
    });
  const page = await deps.records.files(request.tenant, purpose, readPaging(query, 10_000, 10_000));
  return answer(
    reply,
    request,
    toPage(page, file => (isOver(file) ? null : toFileObject(file))),
  );
}
