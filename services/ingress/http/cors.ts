/** Cross-origin requests of browsers (CORS): from the origins that the operator lists, and from no others. */
import { partsIn } from '@penstock/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Origins as browsers send them; `any` for `*`. */
export type Origins = ReadonlySet<string> | 'any';

/** How long a browser may remember a preflight's answer, s; Chrome's limit. */
const MAX_AGE_S = 7200;

/** Headers of our answers that a page may read beside those that it always may. */
export const EXPOSED_HEADERS = [
  'allow',
  'content-disposition',
  'location',
  'openai-poll-after-ms',
  'openai-processing-ms',
  'openai-version',
  'preference-applied',
  'retry-after',
  'retry-after-ms',
  'x-penstock-attempt',
  'x-penstock-job',
  'x-penstock-model',
  'x-penstock-omitted-tools',
  'x-penstock-queue-eta-ms',
  'x-penstock-queue-position',
  'x-penstock-queue-wait-ms',
  'x-penstock-request-id',
  'x-penstock-worker',
  'x-request-id',
  'x-should-retry',
] as const;

/** A list of origins, or `*`. @throws TypeError that says how to write it. */
export function parseOrigins(text: string): Origins {
  const origins = partsIn(text);
  if (origins.length === 1 && origins[0] === '*') return 'any';
  for (const origin of origins) {
    // Also those of browser extensions and apps, which are no web addresses.
    if (!/^[a-z][a-z0-9+.-]*:\/\/[^/\s*]+$/.test(origin))
      throw new TypeError(
        'use * alone, or origins such as https://app.example.com, comma-separated, without a path',
      );
  }
  return new Set(origins);
}

/**
 * Headers that let a page of the origin read the answer. Credentials of the browser are allowed only to listed origins:
 * never to all of them. @param origin the request's, if it has one.
 */
export function corsHeaders(origins: Origins, origin: string | undefined): Record<string, string> {
  const exposed = { 'access-control-expose-headers': EXPOSED_HEADERS.join(', ') };
  if (origins === 'any') return { 'access-control-allow-origin': '*', ...exposed };
  // Caches must keep the answers apart, also that to an origin which is not listed.
  if (origin === undefined || !origins.has(origin)) return { vary: 'Origin' };
  return {
    ...{ vary: 'Origin', 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' },
    ...exposed,
  };
}

/** Written to the bare response, so that answers which the framework does not write have them too. */
export function addCors(app: FastifyInstance, origins: Origins): void {
  if (origins !== 'any' && origins.size === 0) return;
  app.addHook('onRequest', async (request, reply) => {
    const headers = corsHeaders(origins, request.headers.origin);
    for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
  });
}

/**
 * Adds what a preflight asks for. SDKs send dozens of headers of their own (`x-stainless-…`), so all that are asked for are
 * allowed: none means anything without an API key. Call after the methods of the path are known.
 */
export function answerPreflight(
  request: FastifyRequest,
  reply: FastifyReply,
  methods: readonly string[],
): void {
  const { raw } = reply;
  const asked = request.headers['access-control-request-headers'];
  const isPreflight = request.headers['access-control-request-method'] !== undefined;
  if (!isPreflight || !raw.hasHeader('access-control-allow-origin')) return;
  raw.setHeader('access-control-allow-methods', methods.join(', '));
  if (asked !== undefined) raw.setHeader('access-control-allow-headers', asked);
  raw.setHeader('access-control-max-age', MAX_AGE_S);
  raw.appendHeader('vary', 'Access-Control-Request-Headers');
}
