/** OpenAI's Batches API. A batch is a record and a job; the tasks processes do the work. */
import {
  type BatchRecord,
  batchEndpoint,
  DispatchError,
  ENDPOINT_PATHS,
  isBatchFinal,
  parseJson,
  toBatchObject,
} from '@penstock/protocol';
import type { BatchJobs } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type FilesDeps, findFile } from './files.ts';
import { baseHeaders } from './http-reply.ts';
import { pageOf, readPaging } from './paging.ts';

export interface BatchesDeps extends FilesDeps {
  readonly batchJobs: BatchJobs;
}

const WINDOW_S = 24 * 3600;

const fields = z.looseObject({
  input_file_id: z.string().max(64),
  endpoint: z.string().refine(path => batchEndpoint(path) !== null, {
    error: `use one of ${Object.values(ENDPOINT_PATHS).join(', ')}`,
  }),
  completion_window: z.literal('24h', { error: 'use "24h"' }),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
});

type BatchRoute = { Params: { id: string } };

export function addBatches(
  app: FastifyInstance,
  deps: BatchesDeps,
  onRequest: (request: FastifyRequest) => Promise<void>,
): void {
  app.post('/v1/batches', { onRequest }, (request, reply) => create(deps, request, reply));
  app.get('/v1/batches', { onRequest }, (request, reply) => list(deps, request, reply));
  app.get<BatchRoute>('/v1/batches/:id', { onRequest }, async (request, reply) =>
    answer(reply, request, toBatchObject(await find(deps, request.params.id, request.tenant))),
  );
  app.post<BatchRoute>('/v1/batches/:id/cancel', { onRequest }, async (request, reply) => {
    const batch = await find(deps, request.params.id, request.tenant);
    if (!isBatchFinal(batch.status) && batch.status !== 'cancelling') {
      const at = { ...batch.at, cancelling: nowS() };
      await deps.records.updateBatch(batch.id, { status: 'cancelling', at });
    }
    return answer(reply, request, toBatchObject(await find(deps, batch.id, request.tenant)));
  });
}

async function create(
  deps: BatchesDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (!Buffer.isBuffer(request.body)) throw new DispatchError('unsupported_media_type');
  const parsed = fields.safeParse(parseJson(request.body));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const param = (issue?.path ?? []).map(String).join('.');
    throw new DispatchError('invalid_request', { message: `${param}: ${issue?.message}`, param });
  }
  const { input_file_id: inputFileId, endpoint, metadata } = parsed.data;
  const file = await findFile(deps, inputFileId, request.tenant);
  if (file.purpose !== 'batch')
    throw new DispatchError('invalid_request', {
      message: 'The file must have been uploaded with purpose "batch".',
      param: 'input_file_id',
    });
  const batch = newBatch(`batch_${deps.nextId()}`, request.tenant, inputFileId, endpoint, metadata ?? null);
  await deps.records.addBatch(batch);
  await deps.batchJobs.add(batch.id);
  return answer(reply, request, toBatchObject(batch));
}

function newBatch(
  id: string,
  tenant: string,
  inputFileId: string,
  endpoint: string,
  metadata: Record<string, string> | null,
): BatchRecord {
  const createdAt = nowS();
  return {
    ...{ id, tenant, endpoint, inputFileId, createdAt, metadata },
    status: 'validating',
    expiresAt: createdAt + WINDOW_S,
    errors: [],
    outputFileId: null,
    errorFileId: null,
    ...{ total: 0, completed: 0, failed: 0, at: {} },
  };
}

async function list(deps: BatchesDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const paging = readPaging(request.query as Record<string, string | undefined>, 20, 100);
  const ids = await deps.records.batches(request.tenant);
  const page = pageOf(
    ids.map(id => ({ id })),
    paging,
    item => item,
  ) as { data: { id: string }[] };
  const records = await Promise.all(page.data.map(({ id }) => deps.records.batch(id)));
  const data = records.flatMap(batch => (batch === null ? [] : [toBatchObject(batch)]));
  return answer(reply, request, { ...page, data });
}

async function find(deps: BatchesDeps, id: string, tenant: string): Promise<BatchRecord> {
  const batch = /^batch_[a-z0-9]{1,40}$/.test(id) ? await deps.records.batch(id) : null;
  if (batch === null || batch.tenant !== tenant) throw new DispatchError('batch_not_found');
  return batch;
}

function answer(reply: FastifyReply, request: FastifyRequest, body: object): FastifyReply {
  return reply.headers(baseHeaders(request.id, Date.now())).send(body);
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}
