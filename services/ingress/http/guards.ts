/** What a request has to pass before its route sees it. */
import { DispatchError } from '@penstock/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticate } from './auth.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Digest of the API key; set once the request is authenticated. */
    tenant: string;
  }
}

export type Guard = (request: FastifyRequest) => Promise<void>;

export interface Guards {
  /** Authenticates the request, for what is known without Redis. */
  readonly know: Guard;
  /** As `know`, and refuses it while it could only hang. */
  readonly identify: Guard;
  /** As `identify`, and refuses parameters that no route expects. */
  readonly admit: Guard;
  /** Lets the routes of a scope take multipart forms, which they receive themselves. Elsewhere they are an unsupported media type. */
  readonly takeForms: (scope: FastifyInstance) => void;
}

/** The routes of one resource. */
export interface Api {
  addTo(app: FastifyInstance, guards: Guards): void;
}

/** Guards throw DispatchError. @param letIn throws where nothing can be let in now. */
export function createGuards(authenticate: Authenticate, letIn: () => void): Guards {
  const know = async (request: FastifyRequest) => {
    request.tenant = authenticate(request.headers, () => request.raw.headersDistinct);
  };
  const identify = async (request: FastifyRequest) => {
    await know(request);
    letIn();
  };
  const admit = async (request: FastifyRequest) => {
    await identify(request);
    refuseRepeated(request.query as Record<string, unknown>);
    refuseCompressed(request.headers['content-encoding']);
  };
  const takeForms = (scope: FastifyInstance) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('multipart/form-data', (_request, _raw, done) => done(null));
    scope.addContentTypeParser('*', async () => {
      throw new DispatchError('unsupported_media_type', {
        message: 'Send the request as multipart/form-data.',
      });
    });
  };
  return { know, identify, admit, takeForms };
}

/** A parameter given twice comes as an array, which nothing behind this expects; only the SDKs' lists (`include[]`) may. */
function refuseRepeated(query: Record<string, unknown>): void {
  const param = Object.keys(query).find(name => typeof query[name] !== 'string' && !name.endsWith('[]'));
  if (param === undefined) return;
  throw new DispatchError('invalid_request', {
    message: 'A query parameter was given twice. Give each one once.',
    param,
  });
}

function refuseCompressed(encoding: string | undefined): void {
  if (encoding === undefined || encoding === 'identity') return;
  throw new DispatchError('unsupported_media_type', {
    message: 'Compressed request bodies are not accepted. Send the body without Content-Encoding.',
  });
}
