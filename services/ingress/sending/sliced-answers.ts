/** Answers of the framework: what is long is sent in slices, and counted until its client has it. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { AnswerRoom } from './answer-room.ts';
import { SLICE_BYTES, slicesOf } from './answer-writer.ts';

export function sendInSlices(app: FastifyInstance, room: AnswerRoom): void {
  app.addHook('onSend', async (request, reply, payload: unknown) => {
    if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload;
    if (payload.length <= SLICE_BYTES || request.method === 'HEAD') return payload;
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    reply.header('content-length', bytes.length);
    room.of(reply.raw, request.tenant).writing(() => bytes.length);
    return Readable.from(slicesOf(bytes), { objectMode: false });
  });
}
