/**
 * The audit log as a chain: each line has the hash of the line before, so that none can be changed, taken out, put elsewhere or
 * cut off without it showing. Who can write the whole log can write another one that fits; so the hash of the latest line is also
 * in the log of the process that wrote it, which is shipped elsewhere.
 */
import { hash } from 'node:crypto';
import { type AuditEntry, asAuditEntry } from './entry.ts';

/** A place in the chain: behind the line of this number, from 1. */
export interface ChainEnd {
  readonly seq: number;
  /** SHA-256 in hex. */
  readonly hash: string;
}

/** Before the first line. */
export const CHAIN_START: ChainEnd = { seq: 0, hash: '0'.repeat(64) };

interface ChainLine {
  readonly seq: number;
  readonly prev: string;
  readonly entry: AuditEntry;
  readonly hash: string;
}

/** @returns the line that comes behind `end`, and the end behind it. */
export function chainLine(
  end: ChainEnd,
  entry: AuditEntry,
): { readonly line: string; readonly end: ChainEnd } {
  const about = { seq: end.seq + 1, prev: end.hash, entry };
  const digest = digestOf(about);
  return { line: JSON.stringify({ ...about, hash: digest }), end: { seq: about.seq, hash: digest } };
}

/** @returns null for what is no line of the chain. */
export function readChainLine(text: string): ChainLine | null {
  try {
    const { seq, prev, entry, hash: digest } = JSON.parse(text) as Record<string, unknown>;
    if (!Number.isSafeInteger(seq) || typeof prev !== 'string' || typeof digest !== 'string') return null;
    const known = asAuditEntry(entry);
    // A later version may have fields of its own: all of them are part of the hash.
    return known === null ? null : { seq: seq as number, prev, entry: entry as AuditEntry, hash: digest };
  } catch {
    return null;
  }
}

export interface ChainFlaw {
  /** Number of the line in what was read, from 1; one more than there are for what is missing at the end. */
  readonly line: number;
  /** For people: what was found there. */
  readonly what: string;
}

export interface ChainState {
  readonly lines: number;
  /** Behind the last line that could be read. */
  readonly end: ChainEnd;
  readonly flaws: readonly ChainFlaw[];
}

/**
 * Finds out whether lines are the chain from `start` to `end`.
 * @param start null where it begins is not known, as of a part that was exported
 * @param end what is known to be the latest line, or an earlier one; null where nothing is
 */
export function verifyChain(
  lines: readonly string[],
  start: ChainEnd | null,
  end: ChainEnd | null,
): ChainState {
  const flaws: ChainFlaw[] = [];
  let last = start;
  let isEndThere = end === null || end.seq === (start?.seq ?? -1);
  for (const [i, text] of lines.entries()) {
    const line = readChainLine(text);
    const flaw = line === null ? 'it cannot be read' : flawOf(line, last);
    if (flaw !== null) flaws.push({ line: i + 1, what: flaw });
    if (line === null) continue;
    if (end?.seq === line.seq) {
      isEndThere = true;
      if (line.hash !== end.hash)
        flaws.push({ line: i + 1, what: `entry ${line.seq} is not the one that was written` });
    }
    // What comes behind a gap or a change is held against what it says itself: one flaw is told once.
    if (last === null || line.seq > last.seq) last = line;
  }
  if (!isEndThere && end !== null) {
    const missing = `cut off: entries after ${last?.seq ?? 0} are missing, up to ${end.seq}`;
    flaws.push({ line: lines.length + 1, what: missing });
  }
  return { lines: lines.length, end: { seq: last?.seq ?? 0, hash: last?.hash ?? CHAIN_START.hash }, flaws };
}

function flawOf(line: ChainLine, last: ChainEnd | null): string | null {
  if (digestOf(line) !== line.hash) return `entry ${line.seq} was changed`;
  if (last === null) return null;
  if (line.seq <= last.seq) return `entry ${line.seq} is behind entry ${last.seq}: moved, or there twice`;
  if (line.seq > last.seq + 1)
    return `entries ${last.seq + 1} to ${line.seq - 1} are missing before entry ${line.seq}`;
  return line.prev === last.hash ? null : `what was before entry ${line.seq} was replaced`;
}

/** Of all but the hash, with the names of fields in order: tools that rewrite JSON may order them otherwise. */
function digestOf({ seq, prev, entry }: Omit<ChainLine, 'hash'>): string {
  return hash('sha256', canonical({ seq, prev, entry }));
}

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`);
  return `{${fields.join(',')}}`;
}
