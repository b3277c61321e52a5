/** One line of a batch's input file, and of its output files. */
import { isUtf8 } from 'node:buffer';
import type { BatchError, BatchUsage } from './batch.ts';
import { ENDPOINT_PATHS, type Endpoint } from './envelope.ts';
import { DispatchError, toErrorBody } from './errors.ts';
import { parseJson } from './json-guard.ts';
import { type RequestSummary, validateChat, validateCompletion, validateEmbedding } from './openai.ts';
import { readResponsesRequest } from './responses-request.ts';
import { type ChatChunk, ResponseStream } from './responses-stream.ts';
import type { RunResult } from './stored-run.ts';

/** What a batch can be made of: the engines' own endpoints, and responses, which are chat completions to them. */
export const BATCH_PATHS = { ...ENDPOINT_PATHS, responses: '/v1/responses' } as const;
export type BatchEndpoint = keyof typeof BATCH_PATHS;

const VALIDATORS: Record<Endpoint, (value: unknown) => RequestSummary> = {
  chat: validateChat,
  completions: validateCompletion,
  embeddings: validateEmbedding,
};
const MAX_CUSTOM_ID = 512;

export interface BatchLine {
  readonly customId: string;
  /** Where the engine gets it. */
  readonly endpoint: Endpoint;
  /** What the engine gets. */
  readonly body: unknown;
  readonly summary: RequestSummary;
  /** Texts to embed; 0 for other endpoints. */
  readonly inputs: number;
  /** What a response echoes of its request; null for other endpoints. */
  readonly echo: Readonly<Record<string, unknown>> | null;
}

/** The endpoint of a path that batches can be made of, or null. */
export function batchEndpoint(path: string): BatchEndpoint | null {
  const found = Object.entries(BATCH_PATHS).find(([, known]) => known === path);
  return (found?.[0] as BatchEndpoint | undefined) ?? null;
}

/** @returns the line, or what is wrong with it. */
export function readBatchLine(text: Buffer, line: number, endpoint: BatchEndpoint): BatchLine | BatchError {
  try {
    return readLine(text, endpoint);
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

function readLine(text: Buffer, endpoint: BatchEndpoint): BatchLine {
  const { custom_id: customId, method, url, body } = readObject(text);
  if (typeof customId !== 'string' || customId === '' || customId.length > MAX_CUSTOM_ID)
    throw new LineProblem(
      'missing_required_parameter',
      `custom_id must be a text of 1 to ${MAX_CUSTOM_ID} characters.`,
      'custom_id',
    );
  if (method !== 'POST') throw new LineProblem('invalid_method', 'method must be POST.', 'method');
  if (url !== BATCH_PATHS[endpoint])
    throw new LineProblem('invalid_url', `url must be that of the batch, ${BATCH_PATHS[endpoint]}.`, 'url');
  if (body === undefined)
    throw new LineProblem('missing_required_parameter', 'body must be the request, a JSON object.', 'body');
  if ((body as { stream?: unknown } | null)?.stream === true)
    throw new LineProblem('invalid_request', 'A batch cannot stream: leave stream out.', 'body.stream');
  try {
    return { customId, ...(endpoint === 'responses' ? readResponse(body) : readPlain(endpoint, body)) };
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

function readPlain(endpoint: Endpoint, body: unknown): Omit<BatchLine, 'customId'> {
  const summary = VALIDATORS[endpoint](body);
  const { input } = body as { input?: unknown };
  const isList = Array.isArray(input) && typeof input[0] !== 'number';
  const inputs = endpoint === 'embeddings' ? (isList ? input.length : 1) : 0;
  return { endpoint, body, summary, inputs, echo: null };
}

/** Nothing is kept of it beside the output file, so it has no history and is none. */
function readResponse(body: unknown): Omit<BatchLine, 'customId'> {
  const asked = readResponsesRequest(body);
  const refuse = (param: string, message: string) => {
    throw new DispatchError('invalid_request', { param, message });
  };
  if (asked.background) refuse('background', 'A line of a batch is never waited for: leave background out.');
  if (asked.previousId !== null)
    refuse('previous_response_id', 'A line of a batch has no history: put all messages into its input.');
  const { chat } = asked;
  const echo = { ...asked.params, store: false };
  return { endpoint: 'chat', body: chat, summary: validateChat(chat), inputs: 0, echo };
}

export function isBatchError(read: BatchLine | BatchError): read is BatchError {
  return 'code' in read;
}

/** What became of a line. */
export interface LineOutcome {
  /** Of the output file if it is good, else of the error file. */
  readonly text: string;
  readonly isGood: boolean;
  readonly usage: BatchUsage;
}

/** The engine's JSON goes in as it came; a response is told from it. What is no JSON becomes an error: the files are strict JSONL. */
export function answeredLine(runId: string, line: BatchLine, result: RunResult): LineOutcome {
  const parsed = parseAnswer(result.body);
  if (parsed === null) {
    const error = new DispatchError('engine_error', { message: 'The engine did not answer with JSON.' });
    const text = outputLine(runId, line.customId, error.status, JSON.stringify(toErrorBody(error)));
    return { text, isGood: false, usage: NO_USAGE };
  }
  const isGood = result.status < 400;
  const { echo } = line;
  const body = echo !== null && isGood ? toResponse(runId, echo, parsed, result) : oneLine(result.body);
  const text = outputLine(runId, line.customId, result.status, body);
  return { text, isGood, usage: usageOf(parsed) };
}

function outputLine(runId: string, customId: string, status: number, body: string): string {
  const response = `{"status_code":${status},"request_id":"req_${runId}","body":${body}}`;
  return `{"id":"batch_req_${runId}","custom_id":${JSON.stringify(customId)},"response":${response},"error":null}\n`;
}

const UNANSWERED = {
  batch_expired: 'The batch expired before this request was answered.',
  batch_cancelled: 'The batch was cancelled before this request was answered.',
} as const;

/** A line that was never answered. */
export function unansweredLine(runId: string, customId: string, code: keyof typeof UNANSWERED): LineOutcome {
  const error = { code, message: UNANSWERED[code] };
  const line = { id: `batch_req_${runId}`, custom_id: customId, response: null, error };
  return { text: `${JSON.stringify(line)}\n`, isGood: false, usage: NO_USAGE };
}

type Completion = ChatChunk & { readonly created?: number };

function parseAnswer(body: Buffer): Completion | null {
  try {
    const parsed: unknown = isUtf8(body) ? JSON.parse(body.toString('utf8')) : null;
    return typeof parsed === 'object' && !Array.isArray(parsed) ? (parsed as Completion | null) : null;
  } catch {
    return null;
  }
}

function toResponse(
  runId: string,
  params: Readonly<Record<string, unknown>>,
  completion: Completion,
  result: RunResult,
): string {
  const completedAt = Math.floor(result.finishedAt / 1000);
  const id = `resp_${runId.replace(/^batch_/, '')}`;
  const createdAt = completion.created ?? completedAt;
  const told = new ResponseStream({ id, createdAt, background: false, params });
  told.push(completion);
  told.end(completedAt);
  return JSON.stringify(told.object(told.finalStatus, { completedAt }));
}

/** JSON may have line breaks between its parts, never within a string. */
function oneLine(json: Buffer): string {
  return json
    .toString('utf8')
    .replaceAll(/[\r\n]+/g, ' ')
    .trim();
}

export const NO_USAGE: BatchUsage = { input: 0, cached: 0, output: 0, reasoning: 0, total: 0 };

function usageOf({ usage }: Completion): BatchUsage {
  if (usage === undefined || usage === null) return NO_USAGE;
  const { prompt_tokens: input = 0, completion_tokens: output = 0 } = usage;
  return {
    input,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    output,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
    total: usage.total_tokens ?? input + output,
  };
}

export function addUsage(a: BatchUsage, b: BatchUsage): BatchUsage {
  return {
    input: a.input + b.input,
    cached: a.cached + b.cached,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
    total: a.total + b.total,
  };
}
