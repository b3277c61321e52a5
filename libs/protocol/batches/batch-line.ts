/** One line of a batch's input file. */

import { checkForEngine, type EngineRules } from '../endpoints/engine-rules.ts';
import { validateRequest } from '../endpoints/validate-request.ts';
import { DispatchError } from '../errors/errors.ts';
import { bytesOfField, exactJson } from '../json/exact-json.ts';
import { parseJson } from '../openai/json-guard.ts';
import type { RequestSummary } from '../openai/request-summary.ts';
import { isItemReference } from '../responses/messages.ts';
import { readResponsesRequest } from '../responses/request.ts';
import { ENDPOINT_TABLE, ENDPOINTS, type Endpoint, endpointPath } from '../wire/endpoints.ts';
import type { BatchError } from './batch.ts';

/** What a batch may call: endpoints of the engines, and responses, which reach an engine as chat completions. */
export type BatchEndpoint = Endpoint | 'responses';

/** Path → what it is. */
const BATCH_ENDPOINTS: ReadonlyMap<string, BatchEndpoint> = new Map<string, BatchEndpoint>([
  ...ENDPOINTS.filter(name => ENDPOINT_TABLE[name].batch).map(name => [endpointPath(name), name] as const),
  ['/v1/responses', 'responses'],
]);
export const BATCH_PATHS = [...BATCH_ENDPOINTS.keys()];

const MAX_CUSTOM_ID = 512;

export interface BatchLine {
  readonly customId: string;
  /** Endpoint of the engine. */
  readonly endpoint: Endpoint;
  /** Body of the request to the engine: the bytes of the client, except for responses. */
  readonly body: Buffer;
  readonly summary: RequestSummary;
  /** Texts to embed; 0 for other endpoints. */
  readonly inputs: number;
  /** Request fields that a response repeats; null for other endpoints. */
  readonly echo: Readonly<Record<string, unknown>> | null;
}

/** The endpoint with this path; null where a batch cannot call it. */
export function batchEndpoint(path: string): BatchEndpoint | null {
  return BATCH_ENDPOINTS.get(path) ?? null;
}

function pathOf(endpoint: BatchEndpoint): string {
  return endpoint === 'responses' ? '/v1/responses' : endpointPath(endpoint);
}

/** @param rules null where the line was checked by them before. @returns the line, or the first mistake in it. */
export function readBatchLine(
  text: Buffer,
  line: number,
  endpoint: BatchEndpoint,
  rules: EngineRules | null = null,
): BatchLine | BatchError {
  try {
    return readLine(text, endpoint, rules);
  } catch (err) {
    if (!(err instanceof LineProblem)) throw err;
    return { code: err.code, message: err.message, param: err.param, line };
  }
}

class LineProblem extends Error {
  readonly code: string;
  readonly param: string | null;
  constructor(code: string, message: string, param: string | null = null) {
    super(message);
    this.code = code;
    this.param = param;
  }
}

function readLine(text: Buffer, endpoint: BatchEndpoint, rules: EngineRules | null): BatchLine {
  const { custom_id: customId, method, url, body } = readObject(text);
  if (typeof customId !== 'string' || customId === '' || customId.length > MAX_CUSTOM_ID)
    throw new LineProblem(
      'missing_required_parameter',
      `custom_id must be a text of 1 to ${MAX_CUSTOM_ID} characters.`,
      'custom_id',
    );
  if (method !== 'POST') throw new LineProblem('invalid_method', 'method must be POST.', 'method');
  if (url !== pathOf(endpoint))
    throw new LineProblem('invalid_url', `url must be that of the batch, ${pathOf(endpoint)}.`, 'url');
  if (body === undefined)
    throw new LineProblem('missing_required_parameter', 'body must be the request, a JSON object.', 'body');
  if ((body as { stream?: unknown } | null)?.stream === true)
    throw new LineProblem('invalid_request', 'A batch cannot stream: leave stream out.', 'body.stream');
  try {
    return {
      customId,
      ...(endpoint === 'responses'
        ? readResponse(body, text, rules)
        : readPlain(endpoint, body, text, rules)),
    };
  } catch (err) {
    if (!(err instanceof DispatchError)) throw err;
    throw new LineProblem('invalid_request', err.message, err.param === null ? 'body' : `body.${err.param}`);
  }
}

function readObject(text: Buffer): Record<string, unknown> {
  let raw: unknown;
  try {
    raw = parseJson(text);
  } catch (err) {
    const complex = err instanceof DispatchError && err.code === 'json_too_complex';
    throw new LineProblem(
      'invalid_json_line',
      complex ? 'This line is nested too deeply or has too many parts.' : 'This line is not valid JSON.',
    );
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw new LineProblem('invalid_json_line', 'This line is not a JSON object.');
  return raw as Record<string, unknown>;
}

function readPlain(
  endpoint: Endpoint,
  body: unknown,
  text: Buffer,
  rules: EngineRules | null,
): Omit<BatchLine, 'customId'> {
  const summary = validateRequest(endpoint, body);
  if (rules !== null) checkForEngine(body, rules);
  const { input } = body as { input?: unknown };
  const isList = Array.isArray(input) && typeof input[0] !== 'number';
  const inputs = endpoint === 'embeddings' ? (isList ? input.length : 1) : 0;
  const bytes = bytesOfField(text, 'body') ?? Buffer.from(JSON.stringify(body));
  return { endpoint, body: bytes, summary, inputs, echo: null };
}

/** Only the output file keeps it, so it can neither continue an earlier response nor be continued. */
function readResponse(body: unknown, text: Buffer, rules: EngineRules | null): Omit<BatchLine, 'customId'> {
  const { body: exact } = exactJson(text, { body }) as { body?: unknown };
  const asked = readResponsesRequest(body, exact);
  const refuse = (param: string, message: string) => {
    throw new DispatchError('invalid_request', { param, message });
  };
  if (asked.background)
    refuse('background', 'Every line of a batch runs in the background: leave `background` out.');
  if (asked.previousId !== null)
    refuse(
      'previous_response_id',
      'A line of a batch cannot continue a response: put all messages into its `input`.',
    );
  if (asked.conversationId !== null)
    refuse(
      'conversation',
      'A line of a batch cannot continue a response: put all messages into its `input`.',
    );
  if (asked.input.some(isItemReference))
    refuse('input', 'A line of a batch has no stored items: put the items themselves into its input.');
  const chat = asked.chatOf(asked.input);
  if (rules !== null) checkForEngine(chat, rules);
  const bytes = Buffer.from(JSON.stringify(chat));
  const echo = { ...asked.params, store: false };
  const summary = validateRequest('chat', asked.isPlain ? chat : parseJson(bytes));
  return {
    endpoint: 'chat',
    body: bytes,
    summary: asked.store ? summary : { ...summary, keepsNothing: true },
    inputs: 0,
    echo,
  };
}

export function isBatchError(read: BatchLine | BatchError): read is BatchError {
  return 'code' in read;
}
