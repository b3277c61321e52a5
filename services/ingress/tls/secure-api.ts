/** TLS at the port of the API, where it is set. */
import type { Server } from 'node:http';
import type { FastifyServerFactory } from 'fastify';
import type { Certificate } from './certificate.ts';
import { SecureServer, type SecureServerTimes } from './secure-server.ts';

export class SecureApi {
  readonly certificate: Pick<Certificate, 'endsAt' | 'isStale' | 'pair' | 'whenNew'>;
  #server: SecureServer | null = null;

  constructor(certificate: SecureApi['certificate']) {
    this.certificate = certificate;
  }

  /** For the framework, once. */
  factory(times: SecureServerTimes): FastifyServerFactory {
    return handler => {
      const server = new SecureServer(this.certificate.pair, times, handler as never);
      this.certificate.whenNew(pair => server.use(pair));
      this.#server = server;
      return server.server as Server;
    };
  }

  /** See {@link SecureServer.leave}. */
  leave(): void {
    this.#server?.leave();
  }
}
