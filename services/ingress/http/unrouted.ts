/** What is answered where no route takes the request: what there is instead. */
import { DispatchError } from '@penstock/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerPreflight } from './cors.ts';
import { sendError } from './errors.ts';
import type { Paths } from './paths.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'] as const;

/** OPTIONS on a path that is served is answered with its methods: browsers and load balancers ask so. */
export function answerUnrouted(
  app: FastifyInstance,
  paths: Paths,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const url = request.url.split('?', 1)[0] ?? '/';
  const allowed = methodsOf(app, url);
  if (allowed.length > 0) void reply.header('allow', [...allowed, 'OPTIONS'].join(', '));
  if (allowed.length === 0) return sendError(reply, request, noRoute(paths, url));
  if (request.method !== 'OPTIONS') return sendError(reply, request, new DispatchError('method_not_allowed'));
  answerPreflight(request, reply, allowed);
  void reply.code(204).send();
}

/** Methods of the path. One that is named in full, such as `/v1/responses/input_tokens`, is not also an id of its parent. */
function methodsOf(app: FastifyInstance, url: string): readonly string[] {
  const routes = METHODS.flatMap(method => {
    const route = app.findRoute({ method, url });
    return route === null ? [] : [{ method, isExact: Object.keys(route.params).length === 0 }];
  });
  const exact = routes.filter(({ isExact }) => isExact);
  return (exact.length > 0 ? exact : routes).map(({ method }) => method);
}

/** Names only routes that there are: never what the client sent. */
function noRoute(paths: Paths, url: string): DispatchError {
  const similar = paths.similar(url);
  return new DispatchError(
    'not_found',
    similar === null ? {} : { message: `No such route. Use ${similar}.` },
  );
}
