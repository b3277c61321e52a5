/** A client of the API, and what it sees. */
import { UNRESTRICTED } from '@penstock/access';
import {
  DispatchError,
  decodeOps,
  isFinalStatus,
  type Lane,
  publicId,
  type StoredRun,
} from '@penstock/protocol';
import type { Dispatcher } from '../../../../services/ingress/dispatch/dispatcher.ts';
import { type End, type Observed, readEvents } from '../../invariants.ts';
import type { PlannedRequest } from '../plan.ts';
import type { RedisServer } from '../servers/redis.ts';
import type { VirtualTime } from '../world/virtual-time.ts';
import { MODEL, textOf } from './engine.ts';
import type { IngressProcess } from './ingress.ts';

const TENANT = 't';
const CALLER = { project: TENANT, key: TENANT, permissions: UNRESTRICTED, limits: {}, weight: 1 };
/** `:` */
const COMMENT = 0x3a;

/** The answer to one call, as a `ServerResponse` that writes into memory. */
class Answer {
  headersSent = false;
  destroyed = false;
  writableFinished = false;
  readonly writableLength = 0;
  status = 0;
  said = '';
  #close: () => void = () => {};
  readonly #ended: () => void;
  readonly #wrote: (isAfterEnd: boolean, isNews: boolean) => void;

  constructor(ended: () => void, wrote: (isAfterEnd: boolean, isNews: boolean) => void) {
    this.#ended = ended;
    this.#wrote = wrote;
  }

  on(event: string, listener: () => void): void {
    if (event === 'close') this.#close = listener;
  }

  writeHead(status: number): void {
    this.headersSent = true;
    this.status = status;
  }

  write(bytes: Buffer): void {
    this.said += bytes.toString('utf8');
    this.#wrote(this.writableFinished, bytes[0] !== COMMENT);
  }

  end(bytes: Buffer): void {
    this.said += bytes.toString('utf8');
    this.#wrote(this.writableFinished, true);
    this.writableFinished = true;
    this.#ended();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#close();
  }
}

export class Client {
  readonly plan: PlannedRequest;
  readonly question: string;
  readonly ends: End[] = [];
  /** When it ended, ms; when something of its answer came last. */
  endedAt = 0;
  heardAt = 0;
  hasBegun = false;
  /** Its record, where it has one; it is looked at as it is at the server. */
  runId: string | null = null;
  /** What its record said when it was first seen final. */
  #final: Pick<StoredRun, 'status' | 'result'> | null = null;
  changed: string | null = null;
  #text = '';
  #ids: Set<string> = new Set();
  #answer: Answer | null = null;
  ingress: IngressProcess | null = null;
  readonly #time: VirtualTime;
  readonly #redis: RedisServer;
  readonly #note: (line: string) => void;

  constructor(plan: PlannedRequest, time: VirtualTime, redis: RedisServer, note: (line: string) => void) {
    this.plan = plan;
    this.question = `${plan.name} ${plan.words}`;
    this.#time = time;
    this.#redis = redis;
    this.#note = note;
  }

  get isOver(): boolean {
    return this.ends.length > 0;
  }

  get observed(): Observed {
    return {
      name: this.plan.name,
      expected: textOf(this.question),
      ends: this.ends,
      text: this.#text,
      ids: this.#ids,
    };
  }

  #end(end: End): void {
    // Of what is sent to a client that is gone nobody sees anything.
    if (this.ends.some(({ kind }) => kind === 'left' || kind === 'cut_off')) return;
    this.#note(`${this.plan.name} ends: ${JSON.stringify(end)}`);
    this.ends.push(end);
    this.endedAt = this.#time.now;
  }

  /** Its request is on the way. */
  send(ingress: IngressProcess): void {
    this.ingress = ingress;
    this.hasBegun = true;
    this.heardAt = this.#time.now;
    this.#time.after(ingress.proc, 0.1, () => this.#ask(ingress));
  }

  #ask(ingress: IngressProcess): void {
    const { kind } = this.plan;
    const asked = kind === 'stream' || kind === 'plain' ? this.#call(ingress) : this.#store(ingress);
    asked.catch((err: Error) => {
      if (err instanceof DispatchError) this.#end({ kind: 'refused', code: err.code });
      else this.#end({ kind: 'refused', code: String(err.stack) });
    });
  }

  /** Nobody is there to ask. */
  refused(): void {
    this.#end({ kind: 'refused', code: 'no connection' });
  }

  #read(ingress: IngressProcess, stream: boolean) {
    const body = { model: MODEL, messages: [{ role: 'user', content: this.question }], stream };
    return ingress.intake.read('chat', Buffer.from(JSON.stringify(body)), UNRESTRICTED);
  }

  async #call(ingress: IngressProcess): Promise<void> {
    const stream = this.plan.kind === 'stream';
    const read = this.#read(ingress, stream);
    const answer = new Answer(
      () => this.#answered(answer),
      (isAfterEnd, isNews) => {
        if (isNews) this.heardAt = this.#time.now;
        if (isAfterEnd) this.changed = 'something was written after the end of its answer';
      },
    );
    this.#answer = answer;
    const headers = { 'x-request-timeout-ms': String(this.plan.timeoutMs) };
    const request = {
      id: this.#id(),
      headers,
      tenant: TENANT,
      caller: CALLER,
      url: '/v1/chat/completions',
      raw: {},
    } as unknown as Parameters<Dispatcher['dispatch']>[2];
    const reply = { hijack() {}, raw: answer, getHeaders: () => ({}) } as unknown as Parameters<
      Dispatcher['dispatch']
    >[3];
    const run = ingress.runIntake.newRun('chat', read, ...this.#runOf('none', 'interactive'));
    const preferences = { respondAsync: false, waitMs: 0, applied: [] } as never;
    const conversion = stream ? 'refuse' : { run, location: '', describe: () => ({ body: {}, headers: {} }) };
    await ingress.dispatcher.dispatch('chat', read, request, reply, { preferences, conversion });
  }

  #id(): string {
    return `${this.plan.name}-${this.plan.kind}`;
  }

  /** What routes say of a run beside its body. */
  #runOf(log: 'none' | 'events' | 'deltas', lane: Lane) {
    const about = { idempotency: null, timeoutMs: 240_000, names: undefined };
    const call = { id: this.#id(), tenant: TENANT, caller: CALLER, ...about };
    const kind = log === 'deltas' ? 'response' : 'job';
    return [call, { kind, detail: '', log, lane }] as const;
  }

  #answered(answer: Answer): void {
    if (answer.status === 202) {
      this.runId = this.#id();
      return;
    }
    if (answer.status !== 200) return this.#end(failureOf(answer));
    if (this.plan.kind === 'plain') {
      this.#text = JSON.parse(answer.said).choices[0].message.content;
      return this.#end({ kind: 'answered' });
    }
    this.#readStream(answer.said);
    const { isDone, error } = readEvents(answer.said);
    this.#end(
      isDone && error === null ? { kind: 'answered' } : { kind: 'failed', code: error ?? 'no [DONE]' },
    );
  }

  #readStream(said: string): void {
    const { text, ids } = readEvents(said.slice(0, said.lastIndexOf('\n\n') + 2));
    this.#text = text;
    this.#ids = ids;
  }

  async #store(ingress: IngressProcess): Promise<void> {
    const { kind } = this.plan;
    const log = kind === 'job' ? 'none' : kind === 'events' ? 'events' : 'deltas';
    const read = this.#read(ingress, kind !== 'job');
    const run = await ingress.runIntake.accept('chat', read, ...this.#runOf(log, 'background'), () => {});
    this.#note(`${this.plan.name} accepted`);
    this.runId = run.id;
    this.heardAt = this.#time.now;
    // Where its ingress was stopped for long it may be over by now.
    this.look();
  }

  /** The client leaves: a stored run is cancelled instead. */
  leave(): void {
    const { ingress } = this;
    if (this.isOver || ingress === null || !ingress.proc.isAlive) return;
    if (this.runId !== null) return void this.#cancel(ingress, this.runId);
    if (this.#answer === null || this.#answer.writableFinished) return;
    const answer = this.#answer;
    this.#readStream(this.plan.kind === 'stream' ? answer.said : '');
    this.#end({ kind: 'left' });
    this.#time.after(ingress.proc, 0.1, () => answer.destroy());
  }

  async #cancel({ finder, canceller, proc }: IngressProcess, id: string): Promise<void> {
    this.#time.after(proc, 0.1, async () => {
      const kind = this.plan.kind === 'response' ? 'response' : 'job';
      try {
        await canceller.cancel(await finder.look(publicId({ kind, id }), TENANT, kind));
        this.#note(`${this.plan.name} cancelled`);
      } catch {
        // Not heard: it goes on.
      }
    });
  }

  /** Its ingress died. */
  cutOff(): void {
    if (!this.hasBegun || this.isOver || this.runId !== null) return;
    if (this.#answer !== null && this.plan.kind === 'stream') this.#readStream(this.#answer.said);
    // Whether it was accepted cannot be known.
    this.#end({ kind: 'cut_off' });
  }

  /** Looks at its record after every write to the store. */
  look(): void {
    if (this.runId === null) return;
    const run = this.#redis.runs.records.get(this.runId)?.run;
    if (this.#final !== null) {
      if (run?.status !== this.#final.status || run.result !== this.#final.result)
        this.changed ??= `it was ${this.#final.status} and is ${run?.status}`;
      return;
    }
    if (run === undefined || !isFinalStatus(run.status)) return;
    this.#final = { status: run.status, result: run.result };
    if (run.status === 'cancelled') return this.#end({ kind: 'left' });
    this.#readRun(run);
    if (run.status === 'completed' && run.result?.status === 200) return this.#end({ kind: 'answered' });
    this.#end({ kind: 'failed', code: `${run.status} ${run.result?.body.toString('utf8').slice(0, 120)}` });
  }

  #readRun(run: StoredRun): void {
    const entries = this.#redis.runs.records.log(run.id);
    if (this.plan.kind === 'events') return this.#readStream(Buffer.concat(entries).toString('utf8'));
    if (this.plan.kind === 'response') {
      this.#text = entries
        .flatMap(decodeOps)
        .map(op => (op[0] === 't' ? op[1] : ''))
        .join('');
      return;
    }
    if (run.result?.status === 200)
      this.#text = JSON.parse(run.result.body.toString('utf8')).choices[0].message.content;
  }
}

function failureOf({ status, said }: Answer): End {
  const code = String(JSON.parse(said).error?.code ?? status);
  // Never accepted: the queue did not say that it has it.
  return { kind: code === 'broker_unavailable' || code === 'queue_full' ? 'refused' : 'failed', code };
}
