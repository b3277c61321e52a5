/** What a request has to pass before its route sees it. */
import { type Admin, type Caller, mayUse, useOf } from '@penstock/access';
import { DispatchError } from '@penstock/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Asked, Authenticator } from './auth.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set once the request is authenticated. */
    caller: Caller;
    /** The caller's project, which scopes everything a client can name. */
    readonly tenant: string;
    /** Set instead, once it is known to come from an operator. */
    admin: Admin;
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
  /** As `admit`, for operators alone. */
  readonly administer: Guard;
  /** Lets the routes of a scope take multipart forms, which they receive themselves. Elsewhere they are an unsupported media type. */
  readonly takeForms: (scope: FastifyInstance) => void;
}

/** The routes of one resource. */
export interface Api {
  addTo(app: FastifyInstance, guards: Guards): void;
}

/** Guards throw DispatchError. @param letIn throws where nothing can be let in now. */
export function createGuards(
  authenticator: Pick<Authenticator, 'adminOf' | 'callerOf'>,
  letIn: () => void,
): Guards {
  const know = async (request: FastifyRequest) => {
    request.caller = await authenticator.callerOf(askedBy(request));
    refuseUse(request);
  };
  const identify = async (request: FastifyRequest) => {
    await know(request);
    letIn();
  };
  const admit = async (request: FastifyRequest) => {
    await identify(request);
    refuseUnexpected(request);
  };
  const administer = async (request: FastifyRequest) => {
    request.admin = await authenticator.adminOf(askedBy(request));
    letIn();
    refuseUnexpected(request);
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
  return { know, identify, admit, administer, takeForms };
}

function askedBy({ headers, raw, ip: address }: FastifyRequest): Asked {
  return { headers, repeated: () => raw.headersDistinct, address };
}

function refuseUse({ caller, routeOptions }: FastifyRequest): void {
  const use = useOf(routeOptions.url ?? '');
  if (use === null || mayUse(caller.permissions, use)) return;
  throw new DispatchError('missing_scope', {
    message: `You have insufficient permissions for this operation. Missing scopes: ${use}.`,
  });
}

function refuseUnexpected({ query, headers }: FastifyRequest): void {
  refuseRepeated(query as Record<string, unknown>);
  refuseCompressed(headers['content-encoding']);
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
