/** Reads stored runs for clients. What is large takes room before it is read, and has it until it is sent. */
import { type RunKind, runIdIn, type StoredRun } from '@penstock/protocol';
import type { RunFinder } from '@penstock/runs';
import type { RunStore } from '@penstock/transport';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerRoom } from '../sending/answer-room.ts';

/** Smaller records take no room: the number of connections bounds them. */
const SMALL_BYTES = 256 * 1024;
/** The record as it is read, and what is made of it. */
const COPIES = 2;

/** How many bytes a record takes here that has so many. */
export function roomFor(bytes: number): number {
  return bytes <= SMALL_BYTES ? 0 : COPIES * bytes;
}

export interface StoredReadsOptions {
  readonly store: Pick<RunStore, 'outlines'>;
  readonly finder: RunFinder;
  readonly room: AnswerRoom;
}

export class StoredReads {
  readonly #o: StoredReadsOptions;

  constructor(options: StoredReadsOptions) {
    this.#o = options;
  }

  /** As {@link RunFinder.look}. @throws DispatchError `too_many_large_answers` where there is no room in time, too. */
  async look(id: string, kind: RunKind, request: FastifyRequest, reply: FastifyReply): Promise<StoredRun> {
    const { store, finder, room } = this.#o;
    const { tenant } = request;
    const runId = runIdIn(kind, id);
    const [outline = null] = runId === null ? [] : await store.outlines([runId]);
    const bytes = outline?.tenant === tenant ? roomFor(outline.bytes) : 0;
    if (bytes > 0) await room.of(reply.raw, tenant).reserve(bytes);
    return finder.look(id, tenant, kind);
  }
}
