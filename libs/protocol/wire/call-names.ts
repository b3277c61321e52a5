/**
 * What others call a request: the client's `x-request-id`, and the trace that the call is part of (W3C Trace Context). They
 * travel with the work, and on to the engine, where they are well-formed. Where tracing is on, the trace is that of the ingress's own
 * span, and at the engine that of the worker's (libs/runtime/tracing); else it is the client's, or none.
 */
import { z } from 'zod';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Characters of a token (RFC 9110): such an id cannot end a header, a line of a log or a field of one. */
const REQUEST_ID = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
const TRACE_PARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]{1,128})?$/;
const TRACE_STATE = /^[\x20-\x7e]{1,512}$/;

export const callNamesSchema = z.object({
  /** The client's own id; two requests may have the same one. */
  requestId: z.string().regex(REQUEST_ID).optional(),
  traceparent: z.string().regex(TRACE_PARENT).optional(),
  tracestate: z.string().regex(TRACE_STATE).optional(),
});
export type CallNames = z.infer<typeof callNamesSchema>;

/** The client's `x-request-id`; null where there is none that can be passed on. */
export function requestIdIn(headers: Headers): string | null {
  return wellFormed(headers['x-request-id'], REQUEST_ID) ?? null;
}

/** Undefined where the client named nothing. */
export function callNamesIn(headers: Headers): CallNames | undefined {
  const requestId = requestIdIn(headers);
  const parent = wellFormed(headers['traceparent'], TRACE_PARENT);
  // Version 00 has four fields; later ones may have more.
  const traceparent = parent?.startsWith('00') && parent.length !== 55 ? undefined : parent;
  const tracestate = traceparent === undefined ? undefined : wellFormed(headers['tracestate'], TRACE_STATE);
  if (requestId === null && traceparent === undefined) return undefined;
  return {
    ...(requestId === null ? {} : { requestId }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}

/**
 * Headers of an engine's call. The client's id alone would not do: services use one id for all calls that they make for a
 * page, and vLLM refuses a second request under an id that it is still working on. So ours follows, and the number of a
 * further attempt.
 */
export function engineHeadersOf(
  { id, names = {} }: { readonly id: string; readonly names?: CallNames | undefined },
  attempt: number,
): Record<string, string> {
  const { requestId, traceparent, tracestate } = names;
  const again = attempt > 1 ? `-${attempt}` : '';
  return {
    'x-request-id': `${requestId === undefined ? 'req_' : `${requestId}-`}${id}${again}`,
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}

function wellFormed(value: string | string[] | undefined, form: RegExp): string | undefined {
  return typeof value === 'string' && form.test(value) ? value : undefined;
}
