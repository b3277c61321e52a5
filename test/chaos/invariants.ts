/**
 * What must hold of every request, whatever was killed, cut or refused meanwhile. Written once: the simulation and the runs on real servers
 * are judged by the same rules.
 */

/** How a request ended, as its client or its record saw it. */
export type End =
  /** Whole, with everything in `text`. */
  | { readonly kind: 'answered' }
  /** Told that it failed. */
  | { readonly kind: 'failed'; readonly code: string }
  /** Refused at the door: it was never accepted. */
  | { readonly kind: 'refused'; readonly code: string }
  /** The client left, or cancelled it. */
  | { readonly kind: 'left' }
  /** The connection to its ingress broke. */
  | { readonly kind: 'cut_off' };

/** One request as it was seen from outside. */
export interface Observed {
  readonly name: string;
  /** The engines' answer to it, which is known beforehand. */
  readonly expected: string;
  readonly ends: readonly End[];
  /** What was read of the answer. */
  readonly text: string;
  /** Ids under which the chunks of its stream came. */
  readonly ids: ReadonlySet<string>;
}

export type Rule =
  /** Exactly one, for whatever was asked. */
  | 'one end'
  /** The engines' own, without gap or repetition; of an answer that broke off its beginning. */
  | 'exact text'
  /** All chunks of a stream come under one id. */
  | 'one id'
  /** Nothing changes what has ended. */
  | 'final stays final'
  /** As long as a run is open there is something that makes a worker run it. */
  | 'kept'
  /** What was accepted goes on, once nothing is done to anybody. */
  | 'goes on'
  /** What nobody wants stops. */
  | 'work for nobody'
  /** Requests, attempts, calls, messages and bytes. */
  | 'back to zero'
  /** Nothing is thrown where nobody catches it. */
  | 'caught';

export interface Violation {
  readonly rule: Rule;
  /** Name of the request; empty where it is about none. */
  readonly about: string;
  readonly what: string;
}

/** What is answered to whoever asks for something that is not there. */
const FORGOTTEN = /not_found$/;

/** Of one request whose run is over. */
export function judge({ name: about, expected, ends, text, ids }: Observed): Violation[] {
  const found: Violation[] = [];
  const [end] = ends;
  if (ends.length !== 1)
    found.push({
      rule: 'one end',
      about,
      what: `it has ${ends.length}: ${ends.map(shown).join(', ') || 'forgotten'}`,
    });
  if (end?.kind === 'failed' && FORGOTTEN.test(end.code))
    found.push({ rule: 'one end', about, what: `it was accepted, and then nobody knew it (${end.code})` });
  if (ids.size > 1)
    found.push({ rule: 'one id', about, what: `one stream has the ids ${[...ids].join(', ')}` });
  const isWhole = end?.kind === 'answered';
  if (isWhole ? text !== expected : !expected.startsWith(text))
    found.push({
      rule: 'exact text',
      about,
      what: `${isWhole ? 'the answer' : 'its beginning'} ${difference(expected, text)}`,
    });
  return found;
}

function shown(end: End): string {
  return 'code' in end ? `${end.kind} (${end.code})` : end.kind;
}

function difference(expected: string, text: string): string {
  let at = 0;
  while (at < text.length && text[at] === expected[at]) at++;
  const from = Math.max(0, at - 20);
  return `differs at ${at}: “${text.slice(from, at + 30)}” where the engine says “${expected.slice(from, at + 30)}”`;
}

/** What an SSE stream of chat completion chunks says. */
export interface ReadEvents {
  readonly text: string;
  readonly ids: Set<string>;
  readonly isDone: boolean;
  readonly error: string | null;
}

export function readEvents(sse: string): ReadEvents {
  let text = '';
  let isDone = false;
  let error: string | null = null;
  const ids = new Set<string>();
  for (const line of sse.split('\n')) {
    if (!line.startsWith('data: ')) continue;
    const data = line.slice(6);
    if (data === '[DONE]') {
      isDone = true;
      continue;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) error = String(chunk.error.code ?? chunk.error.type);
    if (chunk.id) ids.add(chunk.id);
    text += chunk.choices?.[0]?.delta?.content ?? '';
  }
  return { text, ids, isDone, error };
}
