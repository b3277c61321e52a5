/**
 * A line of the log for each request that was answered, where the operator wants them. Nothing in it is the client's own: not the path, which has
 * ids, but its route; no query, no headers, no body.
 */
import type { Logger } from '@penstock/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CLIENT_LEFT, NO_ROUTE } from '../drain/answers.ts';
import { bytesOf } from '../tls/secure-server.ts';

export class AccessLog {
  readonly #log: Pick<Logger, 'info'>;
  readonly #now: () => number;

  /** @param now monotonic ms. */
  constructor(log: Pick<Logger, 'info'>, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** @param isLeftOut routes that nobody wants to read of. */
  addTo(app: FastifyInstance, isLeftOut: (route: string) => boolean): void {
    app.addHook('onRequest', async (request, reply) => {
      const route = request.routeOptions.url ?? NO_ROUTE;
      if (!isLeftOut(route)) this.#follow(request, reply, route);
    });
  }

  #follow(request: FastifyRequest, { raw }: FastifyReply, route: string): void {
    const startedAt = this.#now();
    const { socket } = request.raw;
    // A connection has one request after another.
    const [read, written] = [socket.bytesRead, socket.bytesWritten];
    raw.once('close', () => {
      const about = {
        ...{ id: request.id, method: request.method, route },
        status: raw.headersSent ? raw.statusCode : CLIENT_LEFT,
        ms: Math.round(this.#now() - startedAt),
        // Of the head nothing that came with the first bytes is counted.
        ...(bytesOf(request.raw, raw) ?? {
          ...{ bytesIn: socket.bytesRead - read, bytesOut: socket.bytesWritten - written },
        }),
        ...(request.tenant === '' ? {} : { project: request.tenant }),
      };
      this.#log.info(about, 'access');
    });
  }
}
