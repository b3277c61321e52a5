/** How routes of the admin API are made: for operators alone, each answered with one object. */
import type { Actor, ProjectOffice } from '@penstock/access';
import type { Project } from '@penstock/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Guards } from '../../http/guards.ts';
import { answer } from '../../http/headers.ts';

export type Query = Record<string, string | undefined>;
type Method = 'get' | 'post' | 'delete';
export type Asked<Params> = FastifyRequest<{ Querystring: Query }> & { readonly params: Params };

/** Who asks, for the audit log. */
export function actorOf({ admin, ip }: Pick<FastifyRequest, 'admin' | 'ip'>): Actor {
  return { who: admin.key, ip };
}

/** @param path of all of them. */
export function adminRoutes<Params>(app: FastifyInstance, guards: Guards, path: string) {
  const options = { onRequest: guards.administer };
  return (method: Method, below: string, handle: (request: Asked<Params>) => Promise<object>): void => {
    app[method](`${path}${below}`, options, async (request, reply) =>
      answer(reply, request, await handle(request as Asked<Params>)),
    );
  };
}

/** Of what belongs to a project, whose id is the first in the path; one that is not there is answered for all of them. */
export function projectRoutes<Params extends { readonly id: string }>(
  app: FastifyInstance,
  guards: Guards,
  path: string,
  projects: Pick<ProjectOffice, 'find'>,
) {
  const on = adminRoutes<Params>(app, guards, path);
  return (
    method: Method,
    below: string,
    handle: (project: Project, request: Asked<Params>) => Promise<object>,
  ): void => on(method, below, async request => handle(await projects.find(request.params.id), request));
}
