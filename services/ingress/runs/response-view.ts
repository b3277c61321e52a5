/** A stored response as its clients see it: the object as of now, and the numbered events of its log. */
import {
  type ChatChunk,
  decodeOps,
  type InputItem,
  isFinalStatus,
  publicId,
  type ResponseBase,
  ResponseStream,
  type ResponsesRequest,
  type StoredRun,
} from '@penstock/protocol';
import type { LogNews } from './follow-log.ts';

/** Kept with the run. */
export interface ResponseDetail {
  readonly input: readonly InputItem[];
  readonly previousId: string | null;
  readonly background: boolean;
  readonly params: Record<string, unknown>;
  /** What the chain it belongs to is known by; null where it began none. */
  readonly chain: string | null;
}

export function detailOf(asked: ResponsesRequest, chain: string | null): ResponseDetail {
  const { input, previousId, background, params } = asked;
  return { input, previousId, background, params, chain };
}

export function detailIn(run: StoredRun): ResponseDetail {
  return JSON.parse(run.detail) as ResponseDetail;
}

export function baseOf(id: string, createdAt: number, detail: ResponseDetail): ResponseBase {
  const { background, params } = detail;
  return {
    id: publicId({ kind: 'response', id }),
    createdAt: Math.floor(createdAt / 1000),
    background,
    params,
  };
}

/** The events of one response, told from its log as it is read. */
export class ResponseEvents {
  readonly #stream: ResponseStream;
  #isLogged = false;

  /** @param after events up to this number are left out. */
  constructor(run: StoredRun, after: number) {
    this.#stream = new ResponseStream(baseOf(run.id, run.createdAt, detailIn(run)), after);
  }

  start(): string {
    return this.#stream.created();
  }

  tell(news: LogNews): string {
    switch (news.kind) {
      case 'begun':
        return this.#stream.inProgress();
      case 'entries':
        this.#isLogged = true;
        return news.entries.map(entry => this.#entry(entry)).join('');
      case 'silence':
        return '';
      case 'final':
        return news.run === null ? '' : this.#end(news.run);
    }
  }

  #entry(entry: Buffer): string {
    return this.#stream.add(decodeOps(entry));
  }

  #end(run: StoredRun): string {
    if (run.status === 'cancelled') return this.#stream.cancelled();
    if (run.result?.status === 200) {
      // Of an answer that came in one piece there is no log.
      const whole = this.#isLogged
        ? ''
        : this.#stream.push(JSON.parse(run.result.body.toString('utf8')) as ChatChunk);
      return whole + this.#stream.end(Math.floor(run.result.finishedAt / 1000));
    }
    return this.#stream.failed(errorIn(run.result?.body));
  }
}

/**
 * The response object as of now.
 * @param logged what was said before it failed or was cancelled; nothing where its log is gone.
 */
export function responseObject(run: StoredRun, logged: readonly Buffer[]): object {
  const told = new ResponseStream(baseOf(run.id, run.createdAt, detailIn(run)), Number.POSITIVE_INFINITY);
  if (!isFinalStatus(run.status)) return told.object(run.status);
  if (run.result?.status === 200) {
    told.push(JSON.parse(run.result.body.toString('utf8')) as ChatChunk);
    const completedAt = Math.floor(run.result.finishedAt / 1000);
    return told.object(told.finalStatus, { completedAt });
  }
  for (const entry of logged) told.add(decodeOps(entry));
  if (run.status === 'cancelled') return told.object('cancelled');
  return told.object('failed', { error: errorIn(run.result?.body) });
}

/** The engine's own words, where it gave any. */
function errorIn(body: Buffer | undefined): string {
  try {
    const { error } = JSON.parse(body?.toString('utf8') ?? '') as { error?: { message?: unknown } };
    if (typeof error?.message === 'string') return error.message;
  } catch {
    // Not JSON.
  }
  return 'The engine failed to answer.';
}
