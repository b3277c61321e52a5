/** What earlier attempts at a stored run logged, and how the next one goes on from there. */
import {
  type ChatChunk,
  decodeOps,
  eventData,
  type LogOp,
  opsOf,
  type RunLogKind,
  readChunk,
  validateRequest,
  type WorkEnvelope,
} from '@penstock/protocol';
import type { RunLog } from '@penstock/transport';
import { type Continuation, createContinuation } from '../attempts/continuation.ts';

/** Of an earlier attempt. */
export interface Logged {
  readonly entries: number;
  readonly ops: readonly LogOp[];
  /** The next attempt begins anew, and has to repeat this first. */
  readonly replays: boolean;
}

const SLICE = 1000;

/**
 * Plain text is continued where it stood. Anything else begins anew: with an empty log if nobody has read of it, else
 * repeating what was read.
 */
export async function readLogged(
  log: RunLog,
  work: WorkEnvelope,
  kind: RunLogKind,
  attempt: number,
): Promise<{ logged: Logged | null; continuation: Continuation | null }> {
  const entries = await readAll(log, work.meta.id);
  if (entries.length === 0) return { logged: null, continuation: null };
  const told = kind === 'deltas' ? ofDeltas(entries) : ofEvents(entries);
  if (told !== null && isContinuable(work, told.ops)) {
    const { ops, chunkId, created } = told;
    const text = ops.map(op => (op[0] === 't' ? op[1] : '')).join('');
    const chunks = ops.reduce((sum, op) => sum + (op[0] === 't' ? op[2] : 0), 0);
    const continuation = createContinuation(work, { kind: 'continue', text, chunks, chunkId, created });
    return { logged: { entries: entries.length, ops, replays: false }, continuation };
  }
  if (await log.restart(work.meta.id, attempt)) return { logged: null, continuation: null };
  return { logged: { entries: entries.length, ops: told?.ops ?? [], replays: true }, continuation: null };
}

async function readAll(log: RunLog, id: string): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for (;;) {
    const slice = await log.peek(id, all.length, SLICE);
    all.push(...slice);
    if (slice.length < SLICE) return all;
  }
}

interface Told {
  readonly ops: LogOp[];
  readonly chunkId: string;
  readonly created: number;
}

function ofDeltas(entries: readonly Buffer[]): Told {
  return { ops: entries.flatMap(decodeOps), chunkId: '', created: 0 };
}

type TextChunk = ChatChunk & { id?: string; created?: number; choices?: readonly { text?: string }[] };

/** Events are logged as the engine sent them: null where it sent nonsense. */
function ofEvents(entries: readonly Buffer[]): Told | null {
  try {
    return toldIn([...eventData(Buffer.concat(entries).toString('utf8'))]);
  } catch {
    return null;
  }
}

function toldIn(events: readonly string[]): Told {
  const chunks = events.filter(data => data !== '[DONE]').map(data => readChunk(data) as TextChunk);
  const ops = chunks.flatMap((chunk): LogOp[] => {
    const text = chunk.choices?.[0]?.text;
    return text === undefined ? opsOf(chunk) : text === '' ? [] : [['t', text, 1]];
  });
  return { ops, chunkId: chunks[0]?.id ?? '', created: chunks[0]?.created ?? 0 };
}

function isContinuable(work: WorkEnvelope, ops: readonly LogOp[]): boolean {
  if (ops.some(op => op[0] !== 't')) return false;
  return validateRequest(work.meta.endpoint, JSON.parse(work.body.toString('utf8'))).continuable;
}
