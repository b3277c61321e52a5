/** What earlier attempts at a stored run logged, and how the next attempt resumes from it. */
import {
  type AttemptKey,
  type ChatChunk,
  ChunkReader,
  decodeOps,
  type Endpoint,
  eventData,
  type LogOp,
  type RunLogKind,
  readChunk,
  validateRequest,
  type WorkEnvelope,
} from '@penstock/protocol';
import type { RunLog } from '@penstock/transport';
import { type Continuation, createContinuation } from '../attempts/continuation.ts';
import type { Continuing } from '../attempts/continuing.ts';

export interface ResumeState {
  /** Log entries written so far. */
  readonly entries: number;
  /** What they say. */
  readonly ops: readonly LogOp[];
  /** The engine starts from the beginning and has to repeat `ops` before anything new is logged. */
  readonly replays: boolean;
}

/** Entries read at once. */
const SLICE = 1000;

/**
 * Plain text is continued where it stopped. Anything else starts from the beginning: with an empty log if nobody has read
 * it yet, else repeating what is logged.
 * @param bodyOf the request; asked only where it matters. @param continuing whether the engine goes on with what another began, and what that has in tokens.
 */
export async function readResumeState(
  log: RunLog,
  work: WorkEnvelope,
  kind: RunLogKind,
  attempt: AttemptKey,
  bodyOf: () => Promise<Buffer>,
  continuing: Pick<Continuing, 'canContinue' | 'countTokens'>,
): Promise<{ resumeState: ResumeState | null; continuation: Continuation | null }> {
  const entries = await readAll(log, work.meta.id);
  if (entries.length === 0) return { resumeState: null, continuation: null };
  const logged = kind === 'deltas' ? answerOfDeltas(entries) : answerOfEvents(entries);
  const { endpoint } = work.meta;
  if (
    logged !== null &&
    (await isContinuable(endpoint, logged.ops, bodyOf)) &&
    (await continuing.canContinue(work.meta))
  ) {
    const { ops, chunkId, created } = logged;
    const text = ops.map(op => (op[0] === 't' ? op[1] : '')).join('');
    const chunks = ops.reduce((sum, op) => sum + (op[0] === 't' ? op[2] : 0), 0);
    const tokens = await continuing.countTokens(work.meta, text);
    const counts = { chunks, tokens, promptTokens: null, finish: null };
    const resume = { kind: 'continue', text, ...counts, chunkId, created } as const;
    const continuation = createContinuation(endpoint, resume, true);
    return { resumeState: { entries: entries.length, ops, replays: false }, continuation };
  }
  if (await log.restart(work.meta.id, attempt)) return { resumeState: null, continuation: null };
  return {
    resumeState: { entries: entries.length, ops: logged?.ops ?? [], replays: true },
    continuation: null,
  };
}

async function readAll(log: RunLog, id: string): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for (;;) {
    const slice = await log.peek(id, all.length, SLICE);
    all.push(...slice);
    if (slice.length < SLICE) return all;
  }
}

interface LoggedAnswer {
  readonly ops: LogOp[];
  readonly chunkId: string;
  readonly created: number;
}

function answerOfDeltas(entries: readonly Buffer[]): LoggedAnswer {
  return { ops: entries.flatMap(decodeOps), chunkId: '', created: 0 };
}

type TextChunk = ChatChunk & { id?: string; created?: number; choices?: readonly { text?: string }[] };

/** Events are logged as the engine sent them. Null where they cannot be read. */
function answerOfEvents(entries: readonly Buffer[]): LoggedAnswer | null {
  try {
    return answerIn([...eventData(Buffer.concat(entries).toString('utf8'))]);
  } catch {
    return null;
  }
}

function answerIn(events: readonly string[]): LoggedAnswer {
  const chunks = events.filter(data => data !== '[DONE]').map(data => readChunk(data) as TextChunk);
  const reader = new ChunkReader();
  const ops = chunks.flatMap((chunk): LogOp[] => {
    const text = chunk.choices?.[0]?.text;
    return text === undefined ? reader.read(chunk) : text === '' ? [] : [['t', text, 1]];
  });
  return { ops, chunkId: chunks[0]?.id ?? '', created: chunks[0]?.created ?? 0 };
}

async function isContinuable(
  endpoint: Endpoint,
  ops: readonly LogOp[],
  bodyOf: () => Promise<Buffer>,
): Promise<boolean> {
  if (ops.some(op => op[0] !== 't')) return false;
  const body = await bodyOf();
  return validateRequest(endpoint, JSON.parse(body.toString('utf8'))).continuable;
}
