/** Who asks for a stored run, and on what terms: what its headers say, apart from what it asks. */
import type { Caller } from '@penstock/access';
import { type CallNames, callNamesIn } from '@penstock/protocol';
import type { Idempotency } from '@penstock/transport';
import type { FastifyRequest } from 'fastify';
import { keyOf } from '../intake/idempotency.ts';
import { runTimeoutOf } from '../intake/timeouts.ts';

export interface RunCall {
  /** Becomes the id of the run. */
  readonly id: string;
  readonly tenant: string;
  readonly caller: Caller;
  /** Null where a repeated request is another one. */
  readonly idempotency: Idempotency | null;
  readonly timeoutMs: number;
  readonly names: CallNames | undefined;
}

/** @throws DispatchError for an `Idempotency-Key` that is none. */
export function runCallOf(request: FastifyRequest): RunCall {
  const { id, tenant, caller } = request;
  const path = request.routeOptions.url ?? '';
  return {
    ...{ id, tenant, caller, idempotency: keyOf(request, path), timeoutMs: runTimeoutOf(request) },
    names: callNamesIn(request.headers),
  };
}
