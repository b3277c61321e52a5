/** Finds the conversations in a trace that names prefix blocks only. */
import type { TraceRequest } from '../trace.ts';

export interface Session {
  readonly atMs: number[];
  /** Prompt tokens of each turn, the history included. */
  readonly inputs: number[];
  readonly outputs: number[];
}

/** Blocks in more requests than this are system prompts, not somebody's conversation. */
const SHARED_BY_MANY = 50;

/** A request continues the conversation that the last of its known blocks belongs to. */
export function sessionsOf(requests: readonly TraceRequest[]): Session[] {
  const uses = new Map<number, number>();
  for (const { blocks } of requests)
    for (const block of new Set(blocks)) uses.set(block, (uses.get(block) ?? 0) + 1);
  const ownerOf = new Map<number, Session>();
  const sessions: Session[] = [];
  for (const request of requests) {
    const own = request.blocks.filter(block => (uses.get(block) ?? 0) <= SHARED_BY_MANY);
    const known = own.findLast(block => ownerOf.has(block));
    const session = (known === undefined ? undefined : ownerOf.get(known)) ?? newSession(sessions);
    for (const block of own) ownerOf.set(block, session);
    session.atMs.push(request.atMs);
    session.inputs.push(request.inputTokens);
    session.outputs.push(request.outputTokens);
  }
  return sessions;
}

function newSession(sessions: Session[]): Session {
  const session = { atMs: [], inputs: [], outputs: [] };
  sessions.push(session);
  return session;
}
