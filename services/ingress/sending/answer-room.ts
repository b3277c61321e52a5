/**
 * Memory of the answers that are here for clients: read from the store, put together from parts, or sent and not taken yet. It is bounded
 * over all of them, with a share for each tenant. What can wait for room does ({@link HeldAnswer.reserve}); the words of an engine cannot,
 * so where they are too much, the answers whose readers stand still are given up, those of the tenant first that holds most.
 *
 * Owns the rule for how long a client may take nothing, too: of every answer, also of those that take no memory.
 */
import type { ServerResponse } from 'node:http';
import { nextToGiveUp } from '@penstock/policy';
import { DispatchError } from '@penstock/protocol';
import { SharedRoom } from '@penstock/runtime';
import { takenOf } from '../tls/secure-server.ts';

/** A client that has something to read and takes nothing of it for so long is cut off, ms. */
const WRITE_TIMEOUT_MS = 30_000;
/** … and for so long where others wait for the room that its answer takes, ms. */
const PATIENCE_MS = 2000;
/** How long a stored answer waits for room before it is read, ms. */
const ROOM_WAIT_MS = 10_000;

export interface AnswerRoomOptions {
  readonly totalBytes: number;
  /** ms. */
  readonly monotonic: () => number;
  /** Every answer of this node that is not whole yet. */
  readonly open: () => Iterable<ServerResponse>;
  readonly roomWaitMs?: number;
}

/** What a reader had taken when it was last seen taking something. */
interface Progress {
  readonly taken: number;
  readonly at: number;
}

export class AnswerRoom {
  readonly #o: AnswerRoomOptions;
  readonly #room: SharedRoom;
  readonly #known = new WeakMap<ServerResponse, HeldAnswer>();
  readonly #held = new Set<HeldAnswer>();
  readonly #progress = new WeakMap<ServerResponse, Progress>();

  constructor(options: AnswerRoomOptions) {
    this.#o = options;
    this.#room = new SharedRoom(options.totalBytes);
  }

  get heldBytes(): number {
    return this.#room.takenBytes;
  }

  /** What is held for one answer, until it is whole or its client has left. */
  of(raw: ServerResponse, tenant: string): HeldAnswer {
    const known = this.#known.get(raw);
    if (known !== undefined) return known;
    const answer = new HeldAnswer(raw, tenant, this, this.#room);
    this.#known.set(raw, answer);
    raw.once('close', () => answer.letGo());
    return answer;
  }

  /** Call once a second. */
  tick(): void {
    for (const raw of this.#o.open()) {
      if (raw.writableLength > 0 && this.stalledMs(raw) >= WRITE_TIMEOUT_MS) raw.destroy();
    }
    for (const answer of [...this.#held]) answer.measure();
    while (this.#room.isWanted && this.#giveUp(PATIENCE_MS));
  }

  /** For how long its client has taken nothing of what there is to take, ms. */
  stalledMs(raw: ServerResponse): number {
    const { socket } = raw;
    if (socket === null || raw.writableLength === 0) return 0;
    const taken = takenOf(raw) ?? socket.bytesWritten - socket.writableLength;
    const now = this.#o.monotonic();
    const seen = this.#progress.get(raw);
    if (seen !== undefined && seen.taken === taken) return now - seen.at;
    this.#progress.set(raw, { taken, at: now });
    return 0;
  }

  /** For {@link HeldAnswer}: what it holds has changed. */
  changed(answer: HeldAnswer): void {
    if (answer.bytes === 0) this.#held.delete(answer);
    else this.#held.add(answer);
    while (this.#room.isOver && this.#giveUp(0));
  }

  get roomWaitMs(): number {
    return this.#o.roomWaitMs ?? ROOM_WAIT_MS;
  }

  /** @returns false where there is nothing to give up. */
  #giveUp(leastStalledMs: number): boolean {
    const held = [...this.#held].filter(answer => answer.stalledMs >= leastStalledMs);
    const next = nextToGiveUp(held);
    next?.giveUp();
    return next !== null;
  }
}

export class HeldAnswer {
  readonly owner: string;
  readonly #raw: ServerResponse;
  readonly #in: AnswerRoom;
  readonly #room: SharedRoom;
  /** Counted beyond what was reserved. */
  #counted = 0;
  #reserved = 0;
  #giveBack: (() => void)[] = [];
  #collected = 0;
  #unsent: () => number = () => 0;
  /** How it is given up; the connection is broken off where absent. */
  onGiveUp: (() => void) | null = null;

  constructor(raw: ServerResponse, owner: string, of: AnswerRoom, room: SharedRoom) {
    this.#raw = raw;
    this.owner = owner;
    this.#in = of;
    this.#room = room;
  }

  get bytes(): number {
    return this.#reserved + this.#counted;
  }

  get stalledMs(): number {
    return this.#in.stalledMs(this.#raw);
  }

  /**
   * Takes room for what is about to be read from the store, until it is sent.
   * @returns gives it back earlier. @throws DispatchError `too_many_large_answers` where there is none in time.
   */
  async reserve(bytes: number): Promise<() => void> {
    if (bytes === 0) return () => {};
    const taken = await this.#room.take(this.owner, bytes, this.#in.roomWaitMs);
    if (taken === null) throw new DispatchError('too_many_large_answers');
    this.#reserved += bytes;
    const giveBack = () => {
      const at = this.#giveBack.indexOf(giveBack);
      if (at < 0) return;
      this.#giveBack.splice(at, 1);
      this.#reserved -= bytes;
      taken();
      this.#count();
    };
    this.#giveBack.push(giveBack);
    if (this.#raw.destroyed) giveBack();
    else this.#count();
    return giveBack;
  }

  /** So many bytes of it have come, and it is not whole. */
  collected(bytes: number): void {
    this.#collected = bytes;
    this.#count();
  }

  /** @param unsent what is written and not taken; it is asked again once a second. */
  writing(unsent: () => number): void {
    this.#unsent = unsent;
    this.#count();
  }

  measure(): void {
    this.#count();
  }

  giveUp(): void {
    if (this.onGiveUp === null) this.#raw.destroy();
    else this.onGiveUp();
    this.letGo();
  }

  letGo(): void {
    this.#unsent = () => 0;
    this.#collected = 0;
    for (const giveBack of [...this.#giveBack]) giveBack();
    this.#count();
  }

  #count(): void {
    const held = this.#raw.destroyed ? 0 : this.#collected + this.#unsent();
    const beyond = Math.max(0, held - this.#reserved);
    const more = beyond - this.#counted;
    this.#counted = beyond;
    if (more !== 0) this.#room.add(this.owner, more);
    this.#in.changed(this);
  }
}
