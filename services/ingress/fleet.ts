/** Who is alive and what they serve, from heartbeats. */
import {
  type Heartbeat,
  heartbeatFilter,
  type ModelInfo,
  readHeartbeat,
  readModelInfo,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ModelRegistry, WorkQueue } from '@penstock/transport';

/** A worker silent for this long is lost. Three heartbeats. */
const LOST_AFTER_MS = 3000;

interface Member {
  readonly heartbeat: Heartbeat;
  readonly seenAt: number;
}

export class Fleet {
  readonly #queue: WorkQueue;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  readonly #models = new Map<string, ModelInfo>();
  /** Monotonic ms since which heartbeats could have reached us; silence before that proves nothing. */
  #listeningSince: number;
  #lastSweepAt: number;

  constructor(queue: WorkQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
    this.#listeningSince = clock.monotonic();
    this.#lastSweepAt = this.#listeningSince;
  }

  async start(region: string, registry: ModelRegistry): Promise<void> {
    this.#queue.listen(heartbeatFilter(region), bytes => {
      const heartbeat = readHeartbeat(bytes);
      if (heartbeat !== null) this.#hear(heartbeat);
    });
    for (const bytes of await registry.list(region)) {
      const model = readModelInfo(bytes);
      if (model !== null && !this.#models.has(model.name)) this.#models.set(model.name, model);
    }
  }

  #hear(heartbeat: Heartbeat): void {
    if (heartbeat.leaving) this.#members.delete(heartbeat.worker);
    else this.#members.set(heartbeat.worker, { heartbeat, seenAt: this.#clock.monotonic() });
    for (const model of heartbeat.models) this.#models.set(model.name, model);
  }

  model(name: string): ModelInfo | undefined {
    return this.#models.get(name);
  }

  models(): ModelInfo[] {
    return [...this.#models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get workers(): number {
    return this.#members.size;
  }

  /** Called once a second. Notices when we ourselves were away: paused, or cut off from the broker. */
  sweep(): void {
    const now = this.#clock.monotonic();
    if (!this.#queue.connected || now - this.#lastSweepAt > LOST_AFTER_MS) this.#listeningSince = now;
    this.#lastSweepAt = now;
    for (const [id, member] of this.#members) {
      if (now - member.seenAt > 20 * LOST_AFTER_MS) this.#members.delete(id);
    }
  }

  /** Whether a worker that had work has been silent for too long while we were listening. */
  isLost(workerId: string): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#listeningSince < LOST_AFTER_MS) return false;
    const seenAt = this.#members.get(workerId)?.seenAt ?? Number.NEGATIVE_INFINITY;
    return now - seenAt > LOST_AFTER_MS;
  }
}
