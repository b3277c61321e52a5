/**
 * The door of an ingress ({@link FairDoor}) with an estimate for whoever comes, and an end for what waits in vain. The same for the product and
 * the simulator.
 */
import { type DoorView, FairDoor } from '../shares/fair-door.ts';
import type { Claimant } from '../shares/fair-queue.ts';
import type { DoorTold } from '../shares/node-shares.ts';
import { StandingQueue } from './standing-queue.ts';
import { type ForecastOf, WaitForecast } from './wait-forecast.ts';

/** What is estimated to take so many times as long as is left is lost, wherever it stands: estimates change. */
const HOPELESS = 1.5;
/** What is on its way for so long beyond what its prompt takes is waiting there, ms. */
const OVERDUE_MS = 3000;

/** A request whose client waits. */
export interface Patient extends Claimant {
  readonly promptTokens: number;
  /** When its first token is too late, ms; infinite where it never is. */
  readonly patientUntil: number;
}

/** What the workers that take such work say of themselves. */
export interface Quoted {
  /** ms. */
  readonly now: number;
  readonly workers: number;
  /** Until the one with the shortest wait would begin another prompt, s. */
  readonly quotedS: number;
  /** Of one worker; 0 while none has learned its rate. */
  readonly tokensPerSec: number;
}

export interface Forecast {
  /** Whether others wait, so that it does not go at once. */
  readonly isBusy: boolean;
  /** Until its first token, s. */
  readonly estimateS: number;
}

/** {@link DoorView}, with what the workers say. */
export type PatientView<T> = DoorView<T> & Quoted;

interface Known {
  readonly arrivedAt: number;
  /** Null while it waits. */
  readonly sent: { readonly at: number; readonly ownS: number } | null;
}

/** What is known of one kind of requests. */
interface OfKind {
  readonly forecast: WaitForecast;
  readonly standing: StandingQueue;
  /** What is on its way, by cost. */
  onTheWay: number;
}

export class AdmissionDoor<T extends Patient> {
  readonly #fair = new FairDoor<T>();
  readonly #kinds = new Map<string, OfKind>();
  readonly #known = new Map<T, Known>();
  /** As last seen. */
  #workers = 0;

  get waiting(): FairDoor<T>['waiting'] {
    return this.#fair.waiting;
  }

  /** {@link FairDoor.isIdle} */
  get isIdle(): boolean {
    return this.#fair.isIdle;
  }

  /** {@link FairDoor.told} */
  told(now: number): DoorTold {
    return this.#fair.told(now);
  }

  /** What it would have to wait for, if it came now. */
  forecast(item: Patient, quoted: Quoted): Forecast {
    this.#look(quoted.now, quoted.workers);
    const about = this.#about(item, quoted);
    return { isBusy: about.ahead !== null, estimateS: this.#of(item.kind).forecast.seconds(about) };
  }

  /** It waits from now on. */
  arrive(item: T, now: number): void {
    this.#look(now);
    this.#known.set(item, { arrivedAt: now, sent: null });
    this.#fair.arrive(item);
  }

  /** {@link FairDoor.passes} */
  passes(item: T, view: PatientView<T>): boolean {
    this.#look(view.now, view.workers);
    if (!this.#fair.passes(item, view)) return false;
    this.#sent(item, view.now, view);
    return true;
  }

  /** {@link FairDoor.next} */
  next(view: PatientView<T>): T | null {
    this.#look(view.now, view.workers);
    const item = this.#fair.next(view);
    if (item !== null) this.#sent(item, this.#known.get(item)?.arrivedAt ?? view.now, view);
    return item;
  }

  #sent(item: T, arrivedAt: number, view: PatientView<T>): void {
    const { now } = view;
    this.#known.set(item, { arrivedAt, sent: { at: now, ownS: ownSeconds(item, view) } });
    const of = this.#of(item.kind);
    of.onTheWay += item.cost;
    of.standing.passed(now - arrivedAt, now);
  }

  /** The first of its answer has come. */
  begun(item: T, now: number): void {
    this.#look(now);
    this.#fair.begun(item, now);
    const sent = this.#known.get(item)?.sent ?? null;
    this.#forget(item);
    if (sent !== null) this.#of(item.kind).forecast.begun(item.cost, (now - sent.at) / 1000, sent.ownS);
  }

  /** It is over, wherever it was. */
  leave(item: T): void {
    this.#fair.leave(item);
    this.#forget(item);
  }

  /**
   * What waits and can no longer have its first token in time, while more comes than is served: without it, what comes after it still may.
   * Nothing of it has left. Call before anything goes, and ten times a second or so with `isThorough`.
   * @param isThorough looks at all that waits, else at the first of each owner.
   */
  lost(quoted: Quoted, isThorough: boolean): T[] {
    this.#look(quoted.now, quoted.workers);
    const { waiting } = this.#fair;
    return waiting.kinds.flatMap(kind => {
      const of = this.#of(kind);
      if (!of.standing.isStanding(quoted.now)) return [];
      return [...waiting.lines(kind)].flatMap(line => this.#lostOf(line, of, quoted, isThorough));
    });
  }

  /** What waits on its way, and would be too late even if an engine began it now. */
  lostOnTheWay(quoted: Quoted): T[] {
    const isLost = (item: T) =>
      secondsLeft(item, quoted) < ownSeconds(item, quoted) && this.#isOverdue(item, quoted.now);
    return [...this.#kinds.keys()].flatMap(kind => [...this.#fair.onTheWay(kind)].filter(isLost));
  }

  /** Whether others wait for workers that take such work, so that it would not begin at once. */
  isBusy(kind: string, now: number): boolean {
    if (this.waiting.kinds.length > 0) return true;
    return this.#isStuck(kind, now);
  }

  /** Whether more may be on its way than workers take. */
  #isStuck(kind: string, now: number): boolean {
    const [oldest] = this.#fair.onTheWay(kind);
    return oldest !== undefined && this.#isOverdue(oldest, now);
  }

  #isOverdue(item: T, now: number): boolean {
    const sent = this.#known.get(item)?.sent ?? null;
    return sent !== null && now - sent.at - 1000 * sent.ownS > OVERDUE_MS;
  }

  /** @param line of one owner, in order. */
  #lostOf(line: Iterable<T>, { forecast }: OfKind, quoted: Quoted, isThorough: boolean): T[] {
    const lost: T[] = [];
    let kept = 0;
    for (const item of line) {
      const leftS = secondsLeft(item, quoted);
      if (leftS === Number.POSITIVE_INFINITY) {
        if (!isThorough) return lost;
        kept += item.cost;
        continue;
      }
      const isLost =
        kept === 0
          ? forecast.sentSeconds(ownSeconds(item, quoted), quoted.quotedS) > leftS
          : forecast.seconds(this.#about(item, quoted, kept)) > HOPELESS * leftS;
      if (isLost) lost.push(item);
      else if (!isThorough) return lost;
      else kept += item.cost;
    }
    return lost;
  }

  /** @param before what its owner's earlier ones cost; default: all that waits. */
  #about(item: Patient, quoted: Quoted, before?: number): ForecastOf {
    const { waiting } = this.#fair;
    const { now, quotedS, workers, tokensPerSec } = quoted;
    const kinds = waiting.kinds.length;
    const isBusy = this.isBusy(item.kind, now);
    const tokensOfKind = item.promptTokens * Math.max(1, kinds);
    return {
      ahead: isBusy ? waiting.ahead(item, before) : null,
      cost: item.cost,
      onTheWay: this.#of(item.kind).onTheWay,
      ownS: ownSeconds(item, quoted),
      ...{ quotedS, workers, promised: (workers * tokensPerSec * item.cost) / Math.max(1, tokensOfKind) },
    };
  }

  #forget(item: T): void {
    if ((this.#known.get(item)?.sent ?? null) !== null) this.#of(item.kind).onTheWay -= item.cost;
    this.#known.delete(item);
  }

  #look(now: number, workers = this.#workers): void {
    const { waiting } = this.#fair;
    for (const [kind, { forecast, standing }] of this.#kinds) {
      const isWaiting = waiting.sizeOf(kind) > 0;
      forecast.look(now, isWaiting || this.#isStuck(kind, now), this.#workers);
      if (!isWaiting) standing.passed(0, now);
    }
    this.#workers = workers;
  }

  #of(kind: string): OfKind {
    let known = this.#kinds.get(kind);
    if (known === undefined) {
      known = { forecast: new WaitForecast(), standing: new StandingQueue(), onTheWay: 0 };
      this.#kinds.set(kind, known);
    }
    return known;
  }
}

function secondsLeft({ patientUntil }: Patient, { now }: Quoted): number {
  return (patientUntil - now) / 1000;
}

function ownSeconds({ promptTokens }: Patient, { tokensPerSec }: Quoted): number {
  return tokensPerSec === 0 ? 0 : promptTokens / tokensPerSec;
}
