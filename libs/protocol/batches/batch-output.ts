/** One line of a batch's output files: the answer to an input line, or why there is none. */
import { isUtf8 } from 'node:buffer';
import type { ChatChunk } from '../engine/chat-chunk.ts';
import { DispatchError, toErrorBody } from '../errors/errors.ts';
import { countTokens, NO_TOKENS, type TokenCounts } from '../openai/usage.ts';
import { ResponseStream } from '../responses/response-stream.ts';
import { publicId } from '../runs/public-ids.ts';
import { isErrorStatus, type RunResult } from '../runs/stored-run.ts';
import type { BatchLine } from './batch-line.ts';

/** The output line of one input line. */
export interface LineOutcome {
  /** Goes to the output file if `isGood`, else to the error file. */
  readonly text: string;
  readonly isGood: boolean;
  readonly usage: TokenCounts;
}

/** The engine's JSON is copied unchanged; a response is derived from it. An answer that is not JSON becomes an error, because the files are strict JSONL. */
export function answeredLine(runId: string, line: BatchLine, result: RunResult): LineOutcome {
  const parsed = parseAnswer(result.body);
  if (parsed === null) {
    const error = new DispatchError('engine_error', {
      message: 'The engine did not answer with JSON. Send this line again.',
    });
    const text = outputLine(runId, line.customId, error.status, JSON.stringify(toErrorBody(error)));
    return { text, isGood: false, usage: NO_TOKENS };
  }
  const isGood = !isErrorStatus(result.status);
  const { echo } = line;
  const body =
    echo !== null && isGood
      ? toResponse(runId, { ...echo, model: parsed.model ?? echo['model'] }, parsed, result)
      : oneLine(result.body);
  const text = outputLine(runId, line.customId, result.status, body);
  return { text, isGood, usage: countTokens(parsed.usage) };
}

function outputLine(runId: string, customId: string, status: number, body: string): string {
  const response = `{"status_code":${status},"request_id":"req_${runId}","body":${body}}`;
  return `{"id":"batch_req_${runId}","custom_id":${JSON.stringify(customId)},"response":${response},"error":null}\n`;
}

const UNANSWERED = {
  batch_expired: 'The batch expired before this request was answered.',
  batch_cancelled: 'The batch was cancelled before this request was answered.',
} as const;

/** A line that was never answered. @param lastWords why its last attempt ended. */
export function unansweredLine(
  runId: string,
  customId: string,
  code: keyof typeof UNANSWERED,
  lastWords?: string,
): LineOutcome {
  const text = UNANSWERED[code];
  const error = {
    code,
    message: lastWords === undefined ? text : `${text} The last attempt failed: ${lastWords}`,
  };
  const line = { id: `batch_req_${runId}`, custom_id: customId, response: null, error };
  return { text: `${JSON.stringify(line)}\n`, isGood: false, usage: NO_TOKENS };
}

type Completion = ChatChunk & { readonly created?: number; readonly model?: string };

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
  const id = publicId({ kind: 'response', id: runId.replace(/^batch_/, '') });
  const createdAt = completion.created ?? completedAt;
  const response = new ResponseStream({ id, createdAt, background: false, params });
  response.push(completion);
  response.end(completedAt);
  return JSON.stringify(response.object(response.finalStatus, { completedAt }));
}

/** JSON may contain line breaks between its tokens, never within a string. */
function oneLine(json: Buffer): string {
  return json
    .toString('utf8')
    .replaceAll(/[\r\n]+/g, ' ')
    .trim();
}
