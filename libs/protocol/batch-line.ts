/** One line of a batch's input file, and of its output files. */
import type { BatchError } from './batch.ts';
import { ENDPOINT_PATHS, type Endpoint } from './envelope.ts';
import { DispatchError } from './errors.ts';
import { type RequestSummary, validateChat, validateCompletion, validateEmbedding } from './openai.ts';
import type { RunResult } from './stored-run.ts';

const VALIDATORS: Record<Endpoint, (value: unknown) => RequestSummary> = {
  chat: validateChat,
  completions: validateCompletion,
  embeddings: validateEmbedding,
};
const MAX_CUSTOM_ID = 512;

export interface BatchLine {
  readonly customId: string;
  readonly body: unknown;
  readonly summary: RequestSummary;
}

/** The endpoint of a path that batches can be made of, or null. */
export function batchEndpoint(path: string): Endpoint | null {
  const found = Object.entries(ENDPOINT_PATHS).find(([, known]) => known === path);
  return (found?.[0] as Endpoint | undefined) ?? null;
}

/** @returns the line, or what is wrong with it. */
export function readBatchLine(text: string, line: number, endpoint: Endpoint): BatchLine | BatchError {
  const wrong = (code: string, message: string, param: string | null = null): BatchError => ({
    code,
    message,
    param,
    line,
  });
  let raw: { custom_id?: unknown; method?: unknown; url?: unknown; body?: unknown } | null;
  try {
    raw = JSON.parse(text);
  } catch {
    return wrong('invalid_json_line', 'This line is not valid JSON.');
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return wrong('invalid_json_line', 'This line is not a JSON object.');
  const { custom_id: customId, method, url, body } = raw;
  if (typeof customId !== 'string' || customId === '' || customId.length > MAX_CUSTOM_ID)
    return wrong(
      'missing_required_parameter',
      `custom_id must be a text of 1 to ${MAX_CUSTOM_ID} characters.`,
      'custom_id',
    );
  if (method !== 'POST') return wrong('invalid_method', 'method must be POST.', 'method');
  if (url !== ENDPOINT_PATHS[endpoint])
    return wrong('invalid_url', `url must be that of the batch, ${ENDPOINT_PATHS[endpoint]}.`, 'url');
  if ((body as { stream?: unknown } | null)?.stream === true)
    return wrong('invalid_request', 'A batch cannot stream.', 'body.stream');
  try {
    return { customId, body, summary: VALIDATORS[endpoint](body) };
  } catch (err) {
    if (!(err instanceof DispatchError)) throw err;
    return wrong('invalid_request', err.message, err.param === null ? 'body' : `body.${err.param}`);
  }
}

export function isBatchError(read: BatchLine | BatchError): read is BatchError {
  return 'code' in read;
}

/** A line of the output or error file. The engine's JSON goes in as it came. */
export function resultLine(runId: string, customId: string, result: RunResult): string {
  const response = `{"status_code":${result.status},"request_id":"req_${runId}","body":${oneLine(result.body)}}`;
  return `{"id":"batch_req_${runId}","custom_id":${JSON.stringify(customId)},"response":${response},"error":null}\n`;
}

/** A line that was never answered. */
export function unansweredLine(runId: string, customId: string, code: string): string {
  const message =
    code === 'batch_expired' ? 'This request was not begun in time.' : 'The batch was cancelled.';
  const line = { id: `batch_req_${runId}`, custom_id: customId, response: null, error: { code, message } };
  return `${JSON.stringify(line)}\n`;
}

function oneLine(json: Buffer): string {
  const text = json.toString('utf8');
  return text.includes('\n') ? JSON.stringify(JSON.parse(text)) : text;
}
