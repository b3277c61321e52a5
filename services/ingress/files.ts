/** OpenAI's Files API: uploads go to disk as they come in, and are remembered in Redis. */
import multipart from '@fastify/multipart';
import { DispatchError, FILE_PURPOSES, type FileRecord, toFileObject } from '@penstock/protocol';
import type { FileContents, StoredContent, TaskRecords } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { baseHeaders } from './http-reply.ts';
import { pageOf, readPaging } from './paging.ts';

/** OpenAI's limit for batch input. */
const MAX_BYTES = 200 * 1024 * 1024;
const MAX_FILENAME = 255;

export interface FilesDeps {
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly nextId: () => string;
}

type Guard = (request: FastifyRequest) => Promise<void>;
type FileRoute = { Params: { id: string } };

export function addFiles(app: FastifyInstance, deps: FilesDeps, onRequest: Guard): void {
  // Multipart is understood on this route alone: elsewhere it stays an unsupported media type.
  void app.register(async scope => {
    await scope.register(multipart, { limits: { fileSize: MAX_BYTES, files: 1, fields: 8, parts: 12 } });
    scope.post('/v1/files', { onRequest }, (request, reply) => upload(deps, request, reply));
  });
  app.get('/v1/files', { onRequest }, (request, reply) => list(deps, request, reply));
  app.get<FileRoute>('/v1/files/:id', { onRequest }, async (request, reply) =>
    answer(reply, request, toFileObject(await findFile(deps, request.params.id, request.tenant))),
  );
  app.delete<FileRoute>('/v1/files/:id', { onRequest }, async (request, reply) => {
    const file = await findFile(deps, request.params.id, request.tenant);
    if (await deps.records.removeFile(file)) await deps.contents.drop(file.digest);
    return answer(reply, request, { id: file.id, object: 'file', deleted: true });
  });
  app.get<FileRoute>('/v1/files/:id/content', { onRequest }, async (request, reply) => {
    const file = await findFile(deps, request.params.id, request.tenant);
    reply.headers({ ...baseHeaders(request.id, Date.now()), 'content-length': file.bytes });
    return reply.type('application/octet-stream').send(deps.contents.open(file.digest));
  });
}

/** Unknown, malformed and foreign ids are all the same to a client. */
export async function findFile(deps: FilesDeps, id: string, tenant: string): Promise<FileRecord> {
  const file = /^file-[a-z0-9]{1,40}$/.test(id) ? await deps.records.file(id) : null;
  if (file === null || file.tenant !== tenant) throw new DispatchError('file_not_found');
  return file;
}

function answer(reply: FastifyReply, request: FastifyRequest, body: object): FastifyReply {
  return reply.headers(baseHeaders(request.id, Date.now())).send(body);
}

interface Upload {
  purpose: string;
  filename: string;
  content: StoredContent | null;
}

async function upload(deps: FilesDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!request.isMultipart())
    throw new DispatchError('unsupported_media_type', { message: 'Send the file as multipart/form-data.' });
  const got = await readParts(deps, request);
  if (got.content === null) refuse('A file is required.', 'file');
  const purpose = FILE_PURPOSES.find(known => known === got.purpose);
  if (purpose === undefined) refuse(`Use one of ${FILE_PURPOSES.join(', ')}.`, 'purpose');
  const file: FileRecord = {
    id: `file-${deps.nextId()}`,
    tenant: request.tenant,
    ...got.content,
    createdAt: Math.floor(Date.now() / 1000),
    filename: got.filename.slice(0, MAX_FILENAME),
    purpose,
  };
  await deps.records.addFile(file);
  return answer(reply, request, toFileObject(file));
}

async function readParts(deps: FilesDeps, request: FastifyRequest): Promise<Upload> {
  const got: Upload = { purpose: '', filename: 'upload', content: null };
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        if (part.fieldname === 'purpose') got.purpose = String(part.value);
        continue;
      }
      got.filename = part.filename || 'upload';
      got.content = await deps.contents.put(part.file);
      if (part.file.truncated) throw new DispatchError('body_too_large', { param: 'file' });
    }
  } catch (err) {
    if (err instanceof DispatchError) throw err;
    const { code } = err as { code?: string };
    if (code === 'FST_REQ_FILE_TOO_LARGE') throw new DispatchError('body_too_large', { param: 'file' });
    // The parser's own complaints (no boundary, an end too early) have no code; those of the disk have one.
    if (code === undefined || code.startsWith('FST_')) refuse('The multipart body is not valid.');
    throw err;
  }
  return got;
}

function refuse(message: string, param?: string): never {
  throw new DispatchError('invalid_request', param === undefined ? { message } : { message, param });
}

async function list(deps: FilesDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = request.query as Record<string, string | undefined>;
  const paging = readPaging(query, 10_000, 10_000);
  const all = await deps.records.files(request.tenant);
  const wanted = query['purpose'] === undefined ? all : all.filter(file => file.purpose === query['purpose']);
  return answer(reply, request, pageOf(wanted, paging, toFileObject));
}
