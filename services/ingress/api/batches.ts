/** OpenAI's Batches API. A batch is a record and a job; the tasks processes do the work. */
import { mayUse, type Permissions, type ResourceLimits, useOf } from '@penstock/access';
import {
  type BatchRecord,
  batchCreate,
  DispatchError,
  type FileRecord,
  isBatchFinal,
  toBatchObject,
} from '@penstock/protocol';
import { keyReused } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { BatchJobs, TaskRecords } from '@penstock/transport';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Api, Guards } from '../http/guards.ts';
import { answer } from '../http/headers.ts';
import { readPaging, toPage } from '../http/paging.ts';
import { readBody } from '../http/read-body.ts';
import { keyOf } from '../intake/idempotency.ts';
import type { StoreRoom } from '../intake/store-room.ts';
import type { FilesApi } from './files.ts';

type Fields = z.infer<typeof batchCreate>;

type BatchRoute = { Params: { id: string } };

export interface BatchesOptions {
  readonly records: TaskRecords;
  readonly files: FilesApi;
  readonly batchJobs: BatchJobs;
  readonly resources: ResourceLimits;
  readonly storeRoom: Pick<StoreRoom, 'pass'>;
  readonly nextId: () => string;
  readonly clock: Pick<Clock, 'now'>;
  /** How long a batch may take, s. */
  readonly batchLifeS: number;
}

export class BatchesApi implements Api {
  readonly #o: BatchesOptions;

  constructor(options: BatchesOptions) {
    this.#o = options;
  }

  addTo(app: FastifyInstance, { admit: onRequest }: Guards): void {
    app.post('/v1/batches', { onRequest }, async (request, reply) =>
      answer(reply, request, toBatchObject(await this.#create(request))),
    );
    app.get('/v1/batches', { onRequest }, async (request, reply) => {
      const paging = readPaging(request.query as Record<string, string | undefined>, 20, 100);
      const page = await this.#o.records.batches(request.tenant, paging);
      return answer(reply, request, toPage(page, toBatchObject));
    });
    app.get<BatchRoute>('/v1/batches/:id', { onRequest }, async (request, reply) =>
      answer(reply, request, toBatchObject(await this.#find(request.params.id, request.tenant))),
    );
    app.post<BatchRoute>('/v1/batches/:id/cancel', { onRequest }, async (request, reply) =>
      answer(reply, request, toBatchObject(await this.#cancel(request.params.id, request.tenant))),
    );
  }

  async #create(request: FastifyRequest): Promise<BatchRecord> {
    const { files, records, batchJobs, storeRoom, resources } = this.#o;
    storeRoom.pass();
    const asked = readBody(batchCreate, request.body);
    const file = await files.find(asked.input_file_id, request.tenant);
    if (file.purpose !== 'batch')
      throw new DispatchError('invalid_request', {
        message: 'The input file must have the purpose `batch`. Upload it again with that purpose.',
        param: 'input_file_id',
      });
    refuseEndpoint(request.caller.permissions, asked.endpoint);
    const batch = this.#newBatch(file, asked, request.caller.permissions);
    const allowance = resources.of(request.caller, 'batches');
    const mostOpen = allowance.most('max_open_batches') ?? null;
    const outcome = await records.addBatch(batch, keyOf(request, 'batches'), mostOpen);
    if (outcome.kind === 'full' || outcome.kind === 'created')
      allowance.check({ max_open_batches: [outcome.openBefore, 1] });
    if (outcome.kind === 'full') throw new DispatchError('rate_limit_exceeded');
    if (outcome.kind === 'reused') throw keyReused();
    // If this process dies here, a tasks process finds the batch among the open ones.
    await batchJobs.add(outcome.id);
    return this.#find(outcome.id, request.tenant);
  }

  #newBatch(file: FileRecord, asked: Fields, permissions: Permissions): BatchRecord {
    const createdAt = this.#nowS();
    return {
      id: `batch_${this.#o.nextId()}`,
      tenant: file.tenant,
      ...(permissions.scopes === null && permissions.models === null ? {} : { permissions }),
      endpoint: asked.endpoint,
      inputFileId: file.id,
      inputDigest: file.digest,
      ...(file.isBound ? { inputIsBound: true } : {}),
      createdAt,
      metadata: asked.metadata ?? null,
      outputLifeS: asked.output_expires_after?.seconds ?? null,
      status: 'validating',
      expiresAt: createdAt + this.#o.batchLifeS,
      errors: [],
      ...{ outputFileId: null, errorFileId: null, model: null, usage: null },
      ...{ total: 0, completed: 0, failed: 0, at: {} },
    };
  }

  async #cancel(id: string, tenant: string): Promise<BatchRecord> {
    const batch = await this.#find(id, tenant);
    await this.#o.records.updateBatch(batch.id, { status: 'cancelling' }, this.#nowS());
    const now = await this.#find(batch.id, tenant);
    // Cancelling twice is fine, but a client should learn that a batch ended before it was cancelled.
    if (isBatchFinal(now.status) && now.status !== 'cancelled')
      throw new DispatchError('invalid_request', {
        message: `A batch with status '${now.status}' cannot be cancelled.`,
      });
    return now;
  }

  async #find(id: string, tenant: string): Promise<BatchRecord> {
    const batch = /^batch_[a-z0-9]{1,40}$/.test(id) ? await this.#o.records.batch(id) : null;
    if (batch === null || batch.tenant !== tenant) throw new DispatchError('batch_not_found');
    return batch;
  }

  #nowS(): number {
    return Math.floor(this.#o.clock.now() / 1000);
  }
}

/** Its lines are requests to the endpoint. */
function refuseEndpoint(permissions: Permissions, path: string): void {
  const use = useOf(path);
  if (use === null || mayUse(permissions, use)) return;
  throw new DispatchError('missing_scope', {
    message: `You have insufficient permissions for this operation. Missing scopes: ${use}.`,
    param: 'endpoint',
  });
}
