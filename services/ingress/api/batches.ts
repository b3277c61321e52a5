/** OpenAI's Batches API. A batch is a record and a job; the tasks processes do the work. */
import {
  BATCH_PATHS,
  type BatchRecord,
  batchEndpoint,
  DispatchError,
  type FileRecord,
  isBatchFinal,
  toBatchObject,
} from '@penstock/protocol';
import type { BatchJobs } from '@penstock/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { readPaging, toPage } from '../http/paging.ts';
import { readBody } from '../http/read-body.ts';
import { baseHeaders } from '../replies/http-reply.ts';
import { idempotencyOf } from '../runs/runs.ts';
import { type FilesDeps, findFile } from './files.ts';
import { readLifetime } from './upload.ts';

export interface BatchesDeps extends FilesDeps {
  readonly batchJobs: BatchJobs;
  /** How long a batch may take, s. */
  readonly batchLifeS: number;
}

const MAX_PAIRS = 16;

const fields = z.looseObject({
  input_file_id: z.string().max(64),
  endpoint: z.string().refine(path => batchEndpoint(path) !== null, {
    error: `use one of ${Object.values(BATCH_PATHS).join(', ')}`,
  }),
  completion_window: z.literal('24h', { error: 'use "24h"' }),
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine(pairs => Object.keys(pairs).length <= MAX_PAIRS, { error: `use at most ${MAX_PAIRS} pairs` })
    .nullish(),
  output_expires_after: z.looseObject({ anchor: z.unknown(), seconds: z.unknown() }).nullish(),
});
type Fields = z.infer<typeof fields>;

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
    await deps.records.updateBatch(batch.id, { status: 'cancelling' }, nowS());
    const now = await find(deps, batch.id, request.tenant);
    // Twice is once; but what ended otherwise was not cancelled, and the client should know.
    if (isBatchFinal(now.status) && now.status !== 'cancelled')
      throw new DispatchError('invalid_request', {
        message: `A batch with status '${now.status}' cannot be cancelled.`,
      });
    return answer(reply, request, toBatchObject(now));
  });
}

async function create(
  deps: BatchesDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const asked = readBody(fields, request.body);
  const file = await findFile(deps, asked.input_file_id, request.tenant);
  if (file.purpose !== 'batch')
    throw new DispatchError('invalid_request', {
      message: 'The file must have been uploaded with purpose "batch".',
      param: 'input_file_id',
    });
  const batch = newBatch(deps, file, asked);
  const outcome = await deps.records.addBatch(
    batch,
    idempotencyOf(request, 'batches', request.body as Buffer),
  );
  if (outcome.kind === 'reused')
    throw new DispatchError('idempotency_key_reused', { param: 'Idempotency-Key' });
  // Should this be the last that happens here, a tasks process finds the batch among the open ones.
  await deps.batchJobs.add(outcome.id);
  return answer(reply, request, toBatchObject(await find(deps, outcome.id, request.tenant)));
}

function newBatch(deps: BatchesDeps, file: FileRecord, asked: Fields): BatchRecord {
  const createdAt = nowS();
  const { anchor, seconds } = asked.output_expires_after ?? {};
  return {
    id: `batch_${deps.nextId()}`,
    tenant: file.tenant,
    endpoint: asked.endpoint,
    inputFileId: file.id,
    inputDigest: file.digest,
    createdAt,
    metadata: asked.metadata ?? null,
    outputLifeS: readLifetime(anchor, seconds, 'output_expires_after'),
    status: 'validating',
    expiresAt: createdAt + deps.batchLifeS,
    errors: [],
    ...{ outputFileId: null, errorFileId: null, model: null, usage: null },
    ...{ total: 0, completed: 0, failed: 0, at: {} },
  };
}

async function list(deps: BatchesDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const paging = readPaging(request.query as Record<string, string | undefined>, 20, 100);
  const page = await deps.records.batches(request.tenant, paging);
  return answer(reply, request, toPage(page, toBatchObject));
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
