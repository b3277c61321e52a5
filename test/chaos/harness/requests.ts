/** What clients ask of the real stack, of every kind, each with an answer that is known beforehand; and how it ended for them. */
import { ask, eventsOf, saidTo } from '../../../testkit/responses.ts';
import { type End, type Observed, readEvents } from '../invariants.ts';

export type RequestKind = 'stream' | 'plain' | 'background' | 'followed' | 'job';

export interface Request {
  readonly name: string;
  readonly kind: RequestKind;
  readonly words: number;
  /** Its client leaves, or cancels, after so long, ms; null where it does not. */
  readonly leavesAfterMs: number | null;
}

export interface Gap {
  readonly from: number;
  readonly to: number;
}

const NO_GAP: Gap = { from: 0, to: 0 };

export interface Seen extends Observed {
  readonly kind: RequestKind;
  /** Unix ms. */
  readonly from: number;
  readonly to: number;
  /** Of what is kept: it may be looked at again later. */
  readonly path: string | null;
  readonly status: string | null;
  /** Of a stream: the worker that began it, and the longest time between two pieces of it, Unix ms. */
  readonly worker: string | null;
  readonly longestGap: Gap;
  /** When its first token came, Unix ms; null where that is not a stream's. */
  readonly beganAt: number | null;
  /** What happened to it, in order. */
  readonly history: readonly string[];
}

/** Pause before the same is asked again that was not accepted, ms. */
const AGAIN_MS = 100;
/** Longest that a client waits for anything, ms. */
const PATIENCE_MS = 90_000;
/** Code of what did not end while its client waited. */
export const GIVEN_UP = 'nothing came any more';
const MODEL = 'sim-chat';
const FINAL = new Set(['completed', 'failed', 'cancelled', 'incomplete']);

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

interface Told {
  readonly end: End;
  readonly text: string;
  readonly ids?: ReadonlySet<string>;
  readonly path?: string;
  readonly status?: string;
  readonly worker?: string | null;
  readonly longestGap?: Gap;
  readonly beganAt?: number | null;
}

/** @param urlOf a node of the region, another one each time. */
export class ChaosClient {
  readonly #urlOf: () => string;

  constructor(urlOf: () => string) {
    this.#urlOf = urlOf;
  }

  /** Asks until it is accepted, and waits for its end. Never rejects. */
  async run(request: Request): Promise<Seen> {
    const from = Date.now();
    const history: string[] = [];
    const note = (line: string) => void history.push(`${new Date().toISOString().slice(11, 23)} ${line}`);
    let told: Told | null = null;
    const until = from + PATIENCE_MS;
    while (told === null && Date.now() < until) {
      told = await this.#try(request, until, note).catch((err: Error) => {
        note(`${err.name}: ${err.message}`);
        return null;
      });
      if (told === null) await sleep(AGAIN_MS);
    }
    const { end, text = '', ids = new Set<string>(), path = null, status = null } = told ?? { end: null };
    const expected = saidTo(request.name, request.words);
    const { worker = null, longestGap = NO_GAP, beganAt = null } = told ?? {};
    const about = { name: request.name, kind: request.kind, expected, text, ids, path, status };
    return {
      ...{ worker, longestGap, beganAt },
      ...about,
      ends: end === null ? [] : [end],
      from,
      to: Date.now(),
      history,
    };
  }

  /** @returns null where it was not accepted. */
  #try(request: Request, until: number, note: (line: string) => void): Promise<Told | null> {
    switch (request.kind) {
      case 'stream':
        return this.#stream(request, until, note);
      case 'plain':
        return this.#plain(request, until, note);
      default:
        return this.#stored(request, until, note);
    }
  }

  async #stream(
    { name, words, leavesAfterMs }: Request,
    until: number,
    note: (line: string) => void,
  ): Promise<Told | null> {
    const messages = [{ role: 'user', content: name }];
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), until - Date.now());
    const leaves = leavesAfterMs === null ? null : setTimeout(() => limit.abort('left'), leavesAfterMs);
    let said = '';
    let hasBegun = false;
    let worker: string | null = null;
    let longestGap = NO_GAP;
    let beganAt: number | null = null;
    try {
      const json = { model: MODEL, messages, max_tokens: words, stream: true };
      const answer = await ask(this.#urlOf(), '/v1/chat/completions', { json, signal: limit.signal });
      if (answer.status !== 200) return refusedOr(answer.status, await answer.text(), note);
      worker = answer.headers.get('x-penstock-worker');
      note(`begun at ${worker}`);
      hasBegun = true;
      let readAt = Date.now();
      for await (const piece of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
        said += Buffer.from(piece).toString('latin1');
        beganAt ??= Date.now();
        const gap = { from: readAt, to: Date.now() };
        if (gap.to - gap.from > longestGap.to - longestGap.from) longestGap = gap;
        readAt = gap.to;
      }
    } catch (err) {
      if (limit.signal.reason === 'left') return { end: { kind: 'left' }, ...wholeEvents(said) };
      if (limit.signal.aborted) return { end: { kind: 'failed', code: GIVEN_UP }, ...wholeEvents(said) };
      if (!hasBegun) throw err;
      note('cut off');
      return { end: { kind: 'cut_off' }, ...wholeEvents(said) };
    } finally {
      clearTimeout(timer);
      if (leaves !== null) clearTimeout(leaves);
    }
    const { isDone, error } = readEvents(utf8(said));
    const end: End =
      isDone && error === null ? { kind: 'answered' } : { kind: 'failed', code: error ?? 'no [DONE]' };
    return { end, worker, longestGap, beganAt, ...wholeEvents(said) };
  }

  async #plain({ name, words }: Request, until: number, note: (line: string) => void): Promise<Told | null> {
    const messages = [{ role: 'user', content: name }];
    const signal = AbortSignal.timeout(Math.max(1, until - Date.now()));
    // Not known to be accepted while the connection is broken: asked again, as SDKs do.
    const json = { model: MODEL, messages, max_tokens: words };
    const answer = await ask(this.#urlOf(), '/v1/chat/completions', { json, signal });
    const text = await answer.text();
    if (answer.status === 202) return this.#poll(`/v1/jobs/${JSON.parse(text).id}`, until);
    if (answer.status !== 200) return refusedOr(answer.status, text, note);
    return { end: { kind: 'answered' }, text: JSON.parse(text).choices[0].message.content };
  }

  /** With a key, so that one which may have been accepted can be sent again. */
  async #stored(
    { name, kind, words, leavesAfterMs }: Request,
    until: number,
    note: (line: string) => void,
  ): Promise<Told | null> {
    const isJob = kind === 'job';
    const headers = { 'idempotency-key': name, ...(isJob ? { prefer: 'respond-async' } : {}) };
    const signal = AbortSignal.timeout(5000);
    const json = isJob
      ? { model: MODEL, messages: [{ role: 'user', content: name }], max_tokens: words }
      : { model: MODEL, input: name, background: true, max_output_tokens: words };
    const path = isJob ? '/v1/chat/completions' : '/v1/responses';
    const answer = await ask(this.#urlOf(), path, { json, headers, signal });
    const body = await answer.text();
    if (answer.status !== 200 && answer.status !== 202) return refusedOr(answer.status, body, note);
    const { id, choices } = JSON.parse(body) as { id: string; choices?: { message: { content: string } }[] };
    // A key that was used before may lead to a job that is over: that is its answer.
    if (isJob && choices !== undefined)
      return { end: { kind: 'answered' }, text: choices[0]?.message.content ?? '' };
    const at = isJob ? `/v1/jobs/${id}` : `/v1/responses/${id}`;
    note(`accepted as ${id}`);
    if (leavesAfterMs !== null) void this.#cancelAfter(at, leavesAfterMs);
    if (kind !== 'followed') return this.#poll(at, until);
    return this.#follow(at, until, note);
  }

  async #cancelAfter(path: string, ms: number): Promise<void> {
    await sleep(ms);
    await ask(this.#urlOf(), `${path}/cancel`, { method: 'POST', signal: AbortSignal.timeout(5000) }).catch(
      () => {},
    );
  }

  async #poll(path: string, until: number): Promise<Told> {
    while (Date.now() < until) {
      const told = await this.#look(path).catch(() => null);
      if (told !== null) return told;
      await sleep(AGAIN_MS);
    }
    return { end: { kind: 'failed', code: GIVEN_UP }, text: '', path };
  }

  /** @returns null where it is not final, or cannot be seen now. */
  async #look(path: string): Promise<Told | null> {
    const answer = await ask(this.#urlOf(), path, { signal: AbortSignal.timeout(5000) });
    const text = await answer.text();
    if (answer.status >= 500) return null;
    if (path.startsWith('/v1/jobs/')) return jobEnd(path, answer.status, text);
    const { status, output, error } = JSON.parse(text);
    if (!FINAL.has(status)) return null;
    const said: string = output?.[0]?.content?.[0]?.text ?? '';
    if (status === 'cancelled') return { end: { kind: 'left' }, text: '', path, status };
    if (status === 'failed')
      return { end: { kind: 'failed', code: error?.code ?? 'failed' }, text: '', path, status };
    return { end: { kind: 'answered' }, text: said, path, status };
  }

  /** Reads its events, again from the last one after each break, and then what was kept. */
  async #follow(path: string, until: number, note: (line: string) => void): Promise<Told> {
    let text = '';
    let after = -1;
    for (let isOver = false; !isOver && Date.now() < until; ) {
      const from = after < 0 ? '' : `&starting_after=${after}`;
      try {
        const signal = AbortSignal.timeout(Math.max(1, until - Date.now()));
        const answer = await ask(this.#urlOf(), `${path}?stream=true${from}`, { signal });
        if (answer.status !== 200) throw new Error(String(answer.status));
        for await (const event of eventsOf(answer)) {
          if (event === null) isOver = true;
          else if (event.sequence_number !== after + 1)
            return { end: { kind: 'answered' }, text: `gap: ${after} then ${event.sequence_number}`, path };
          else {
            after = event.sequence_number;
            if (event.type === 'response.output_text.delta') text += event.delta ?? '';
          }
        }
      } catch {
        note(`reads on after ${after}`);
        await sleep(AGAIN_MS);
      }
    }
    const told = await this.#poll(path, until);
    return told.end.kind === 'answered' && told.text !== text
      ? { ...told, text: `read: ${text} kept: ${told.text}` }
      : told;
  }

  /** Whether a run that was final is still as it was. @returns what is different; null where nothing is. */
  async lookAgain({ path, status, text, name }: Seen): Promise<string | null> {
    if (path === null || status === null) return null;
    const told = await this.#look(path);
    if (told?.status === status && told.text === text) return null;
    return `${name} was ${status} and is ${told?.status ?? 'open'}${told?.text === text ? '' : ' with another text'}`;
  }
}

function jobEnd(path: string, httpStatus: number, text: string): Told | null {
  const body = JSON.parse(text);
  if (httpStatus === 202) return null;
  if (httpStatus === 200 && body.choices !== undefined)
    return { end: { kind: 'answered' }, text: body.choices[0].message.content, path, status: 'completed' };
  if (body.object === 'job' && body.status === 'cancelled')
    return { end: { kind: 'left' }, text: '', path, status: 'cancelled' };
  if (body.object === 'job' && !FINAL.has(body.status)) return null;
  return {
    end: { kind: 'failed', code: String(body.error?.code ?? body.status) },
    text: '',
    path,
    status: 'failed',
  };
}

/** @returns null for what was refused at the door and may be sent again. */
function refusedOr(status: number, body: string, note: (line: string) => void): Told | null {
  note(`${status} ${body.slice(0, 120)}`);
  if (status === 503 || status === 429) return null;
  let code = String(status);
  try {
    code = JSON.parse(body).error.code ?? code;
  } catch {
    // No error of ours.
  }
  return { end: { kind: 'failed', code }, text: '' };
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

/** What whole events say: of a stream that broke the last one may be cut in two. */
function wholeEvents(latin1: string): { text: string; ids: ReadonlySet<string> } {
  return readEvents(utf8(latin1.slice(0, latin1.lastIndexOf('\n\n') + 2)));
}
