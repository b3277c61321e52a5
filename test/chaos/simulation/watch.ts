/** Looks at a simulated world as nobody in it can: at all processes and both servers at once. */
import type { Violation } from '../invariants.ts';
import { UNTIL_MS } from './plan.ts';
import type { Region } from './region.ts';

const LOOK_MS = 250;
/** What nobody wants any more stops within this, ms. */
const STOPS_WITHIN_MS = 5500;
/** What is accepted goes on within this once nothing is done to anybody any more, ms. */
const GOES_ON_WITHIN_MS = 14_000;
/** A stream whose worker died goes on within this, where nothing else is done to anybody, ms. */
const AFTER_DEATH_MS = 2000;
/** An ingress has to have listened for three seconds before it believes that a worker is gone; with the time it takes to start, ms. */
const HEARD_ALL_MS = 3500;
/** Everything is back to zero within this after the last request has ended, ms. */
const ZERO_WITHIN_MS = 75_000;
/** An open run whose message is gone is ended, or queued again, within this, ms. */
const KEPT_WITHIN_MS = 2000;
const LONGEST_MS = 150_000;

export class Watch {
  readonly #region: Region;
  readonly violations: Violation[] = [];
  isOver = false;
  readonly #told = new Set<string>();
  /** Runs that are open and whose message is gone, by name. */
  readonly #unkeptSince = new Map<string, number>();
  #quietSince: number | null = null;
  #endedAt: number | null = null;

  constructor(region: Region) {
    this.#region = region;
  }

  begin(): void {
    const { time } = this.#region;
    const look = () => {
      this.#look();
      if (!this.isOver) time.after(time.world, LOOK_MS, look);
    };
    time.after(time.world, LOOK_MS, look);
  }

  #find(rule: Violation['rule'], about: string, what: string): void {
    const key = `${rule} ${about}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#region.note(`VIOLATION ${key}: ${what}`);
    this.violations.push({ rule, about, what });
  }

  /** Nothing may be thrown, or rejected, where nobody catches it: it would end the process. */
  lookAtThrown(): void {
    for (const thrown of this.#region.time.thrown.splice(0)) this.#find('caught', '', thrown);
  }

  #look(): void {
    const { clients } = this.#region;
    this.lookAtThrown();
    for (const client of clients)
      if (client.changed !== null) this.#find('final stays final', client.plan.name, client.changed);
    this.#lookAtEngines();
    this.#lookAtMessages();
    this.#lookAtProgress();
    this.#lookAtDeath();
    this.#lookAtEnd();
  }

  #lookAtDeath(): void {
    const { time, clients, plan } = this.#region;
    const [death, ...others] = plan.faults;
    if (death?.kind !== 'kill worker' || others.length > 0 || death.at < HEARD_ALL_MS) return;
    const left = plan.workers.filter((_, i) => i !== death.index % plan.workers.length);
    const hasRoom = sum(left.map(({ slots }) => slots)) >= plan.requests.length;
    if (time.now < death.at || !hasRoom || left.some(({ continues }) => !continues)) return;
    for (const { hasBegun, isOver, heardAt, plan: request } of clients) {
      const ms = time.now - heardAt;
      if (request.kind === 'stream' && hasBegun && !isOver && ms > AFTER_DEATH_MS)
        this.#find('goes on', request.name, `nothing has come of it for ${ms} ms, though only a worker died`);
    }
  }

  /** Since when nothing was done to anybody, ms. */
  #calmSince(since: number): number {
    return Math.max(since, this.#region.disturbedUntil);
  }

  /** As long as a run is not final its message is kept: without it nobody would run it if its worker died now. */
  #lookAtMessages(): void {
    const { time, clients, nats } = this.#region;
    for (const { runId, isOver, plan } of clients) {
      const isKept =
        runId === null ||
        isOver ||
        [...(nats.streams.get('WORK_eu_0')?.bySubject.keys() ?? [])].some(subject =>
          subject.endsWith(`.${runId}`),
        );
      if (isKept) this.#unkeptSince.delete(plan.name);
      else if (!this.#unkeptSince.has(plan.name)) this.#unkeptSince.set(plan.name, time.now);
      const ms = time.now - this.#calmSince(this.#unkeptSince.get(plan.name) ?? time.now);
      if (ms > KEPT_WITHIN_MS)
        this.#find('kept', plan.name, `its record is open and no message of it is left, for ${ms} ms`);
    }
  }

  #lookAtEngines(): void {
    const { time, engines, clients } = this.#region;
    const byQuestion = new Map(clients.map(client => [client.question, client]));
    for (const { calls } of engines)
      for (const { question, since } of calls) {
        const client = byQuestion.get(question);
        if (client === undefined || !client.isOver) continue;
        const unwantedSince = this.#calmSince(Math.max(since, client.endedAt));
        const ms = time.now - unwantedSince;
        if (ms > STOPS_WITHIN_MS)
          this.#find('work for nobody', client.plan.name, `an engine still works on it after ${ms} ms`);
      }
  }

  #lookAtProgress(): void {
    const { time, clients, plan } = this.#region;
    if (time.now < UNTIL_MS) return;
    for (const { hasBegun, isOver, heardAt, plan: request, runId } of clients) {
      if (!hasBegun || isOver) continue;
      const { kind, words, name } = request;
      const slowest = Math.max(...plan.workers.map(({ wordMs }) => wordMs));
      // A stream shows its progress; of everything else only the end is seen.
      const takes = kind === 'stream' ? 0 : words * slowest;
      const ms = time.now - this.#calmSince(heardAt);
      const limit = GOES_ON_WITHIN_MS + takes + (kind === 'stream' ? 0 : 10_000);
      if (ms > limit) {
        const state = runId === null ? '' : ` its record: ${JSON.stringify(this.#recordOf(runId))}`;
        this.#find('goes on', name, `nothing has come of it for ${ms} ms.${state}`);
      }
    }
  }

  #recordOf(id: string): object {
    const { status, attempt, worker } = this.#region.redis.runs.records.get(id)?.run ?? {};
    return { status, attempt, worker };
  }

  #lookAtEnd(): void {
    const { time, clients } = this.#region;
    const isAsked = time.now > UNTIL_MS && time.now > this.#region.disturbedUntil;
    if (time.now > LONGEST_MS) this.isOver = true;
    if (this.violations.some(({ rule }) => rule === 'goes on')) this.isOver = true;
    if (!isAsked || clients.some(({ isOver }) => !isOver)) return;
    this.#endedAt ??= time.now;
    const left = this.#left();
    if (left === '') {
      this.#quietSince ??= time.now;
      // Something may have been on its way.
      if (time.now - this.#quietSince > 500) this.isOver = true;
      return;
    }
    this.#quietSince = null;
    if (time.now - this.#calmSince(this.#endedAt) < ZERO_WITHIN_MS) return;
    this.#find('back to zero', '', left);
    this.isOver = true;
  }

  /** What is still there, for people; empty where all is back to zero. */
  #left(): string {
    const { engines, workers, ingresses, nats } = this.#region;
    const counts = {
      'requests open at an ingress': sum(ingresses.map(each => each?.open.size ?? 0)),
      'attempts at workers': sum(workers.map(each => each?.worker.running ?? 0)),
      'outcomes not stored': sum(workers.map(each => each?.stored.pending ?? 0)),
      'bytes not sent': sum(workers.map(each => each?.wires.bus.pendingBytes ?? 0)),
      'calls at engines': sum(engines.map(({ calls }) => calls.size)),
      messages: nats.streams.get('WORK_eu_0')?.messages.size ?? 0,
    };
    return Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ');
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
