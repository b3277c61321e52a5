/** Dead letters over HTTP: never with a body, which holds prompts. */
import { DeadLetterError, type DeadLetterWires, listLetters, showLetter } from '@penstock/runs';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Guard } from './guard.ts';
import { HttpError } from './http-error.ts';
import { reached } from './reached.ts';

/** Notes who looked at what. @throws where it cannot be noted: then nothing is shown. */
export interface LookedAt {
  looks(by: { readonly who: string; readonly ip: string }, action: string, target: string): Promise<void>;
}

const AWAY =
  'The dead letters cannot be reached now: are NATS and Redis there, and has an ingress of the region begun?';
/** On one page, the newest. */
const MOST_LETTERS = 500;

/** @param wires rejects while they cannot be reached. */
export function serveLetters(
  app: FastifyInstance,
  guard: Guard,
  desk: LookedAt,
  wires: () => Promise<DeadLetterWires>,
): void {
  app.get('/api/letters', async (request, reply) => {
    guard.session(request);
    const letters = await reached(wires().then(listLetters), AWAY);
    return unkept(reply).send({ total: letters.length, letters: letters.slice(-MOST_LETTERS).reverse() });
  });
  app.get<{ Params: { id: string } }>('/api/letters/:id', async (request, reply) => {
    const { who } = guard.session(request);
    await desk.looks({ who, ip: request.ip }, 'letter.show', request.params.id);
    const found = wires()
      .then(each => showLetter(each, request.params.id, false))
      .catch((err: unknown) => {
        throw err instanceof DeadLetterError ? new HttpError(404, err.message) : err;
      });
    return unkept(reply).send({ letter: await reached(found, AWAY) });
  });
}

function unkept(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}
