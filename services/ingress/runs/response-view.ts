/** A stored response as its clients see it: the object as of now, and the numbered events of its log. */
import {
  type ChatChunk,
  decodeOps,
  ElidedMedia,
  failureOf,
  type InputItem,
  isFinalStatus,
  publicId,
  type ResponseBase,
  type ResponseFailure,
  ResponseStream,
  type ResponsesRequest,
  type StoredRun,
  toInputItems,
} from '@penstock/protocol';
import type { LogNews } from './follow-log.ts';

/** Kept with the run. */
export interface ResponseDetail {
  readonly input: readonly InputItem[];
  readonly previousId: string | null;
  readonly background: boolean;
  readonly params: Record<string, unknown>;
  /** Absent in records of an earlier version. */
  readonly include?: readonly string[];
  /** What the chain it belongs to is known by; null where it began none. */
  readonly chain: string | null;
}

export function detailOf(asked: ResponsesRequest, chain: string | null, background: boolean): ResponseDetail {
  const { input, previousId, params, include } = asked;
  // First, so that it is cheaply found: see inBackground.
  return { background, input, previousId, params, include, chain };
}

/** The record of the same response in the background. It may be large, and shares what it has with the one given. */
export function inBackground(detail: string): string {
  return detail.replace('{"background":false', '{"background":true');
}

export function detailIn(run: Pick<StoredRun, 'detail'>): ResponseDetail {
  return JSON.parse(run.detail) as ResponseDetail;
}

/** As {@link detailIn}, with markers in place of large media. @param media keeps what they stand for. */
export function elidedDetailIn(run: Pick<StoredRun, 'detail'>, media: ElidedMedia): ResponseDetail {
  return JSON.parse(media.elide(Buffer.from(run.detail)).toString('utf8')) as ResponseDetail;
}

/** All of the detail but its input, which may be large. */
export function detailHeadIn(run: Pick<StoredRun, 'detail'>): Omit<ResponseDetail, 'input'> {
  return elidedDetailIn(run, new ElidedMedia());
}

export function baseOf(id: string, createdAt: number, detail: Omit<ResponseDetail, 'input'>): ResponseBase {
  const { background, params, include = [] } = detail;
  return {
    id: publicId({ kind: 'response', id }),
    createdAt: Math.floor(createdAt / 1000),
    background,
    params,
    include,
  };
}

/** The events of one response, derived from its log as it is read. */
export class ResponseEvents {
  readonly #stream: ResponseStream;
  #isLogged = false;

  /** @param after events up to this number are left out. */
  constructor(run: StoredRun, after: number) {
    this.#stream = new ResponseStream(baseOf(run.id, run.createdAt, detailHeadIn(run)), after);
  }

  start(): string {
    return this.#stream.created();
  }

  render(news: LogNews): string {
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
    return this.#stream.failed(failureIn(run));
  }
}

/**
 * The response object as of now.
 * @param logged what was said before it failed or was cancelled; nothing where its log is gone.
 */
export function responseObject(
  run: StoredRun,
  logged: readonly Buffer[],
  head: Omit<ResponseDetail, 'input'> = detailHeadIn(run),
): object {
  const told = new ResponseStream(baseOf(run.id, run.createdAt, head), Number.POSITIVE_INFINITY);
  if (!isFinalStatus(run.status)) return told.object(run.status);
  if (run.result?.status === 200) {
    told.push(JSON.parse(run.result.body.toString('utf8')) as ChatChunk);
    const completedAt = Math.floor(run.result.finishedAt / 1000);
    return told.object(told.finalStatus, { completedAt });
  }
  for (const entry of logged) told.add(decodeOps(entry));
  if (run.status === 'cancelled') return told.object('cancelled');
  return told.object('failed', { error: failureIn(run) });
}

/** Its input and its answer, as they are listed. */
export function itemsOf(run: StoredRun): InputItem[] {
  return [...inputOf(run), ...outputOf(run)];
}

/** The same of a response in the foreground, whose answer is stored just now. */
export function conversationItems(
  call: Pick<StoredRun, 'id' | 'createdAt' | 'detail'>,
  completion: ChatChunk,
): InputItem[] {
  const told = new ResponseStream(baseOf(call.id, call.createdAt, detailHeadIn(call)));
  told.push(completion);
  return [...inputOf(call), ...(told.object('completed')['output'] as InputItem[])];
}

export function inputOf(run: Pick<StoredRun, 'id' | 'detail'>) {
  return toInputItems(detailIn(run).input, `item_${run.id}`);
}

/** The items of its answer; none before it has one. */
export function outputOf(run: StoredRun, head = detailHeadIn(run)): InputItem[] {
  return (responseObject(run, [], head) as { output: InputItem[] }).output;
}

/** The engine's own words, where it gave any. */
function failureIn({ result }: StoredRun): ResponseFailure {
  const status = result?.status ?? 500;
  try {
    const { error } = JSON.parse(result?.body.toString('utf8') ?? '') as {
      error?: { message?: unknown; code?: unknown };
    };
    if (typeof error?.message === 'string') return failureOf(status, error.message, error.code);
  } catch {
    // Not JSON.
  }
  return failureOf(status, 'The engine failed to answer.');
}
