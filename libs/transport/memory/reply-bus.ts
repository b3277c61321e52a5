/** The reply bus in memory. Workers and ingress nodes of a test share one object. */
import type { ReplyBus } from '../ports/reply-bus.ts';
import { Recorded } from './recorded.ts';

export class MemoryReplyBus implements ReplyBus {
  readonly #listeners = new Map<string, (packet: Buffer) => void>();
  #held: (() => void)[] | null = null;
  #pendingBytes = 0;
  #connected = true;
  readonly #watchers: (() => void)[] = [];
  readonly packets = new Recorded<{ readonly ingressId: string; readonly packet: Buffer }>();

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** As a server that goes away, or comes back. */
  set connected(connected: boolean) {
    this.#connected = connected;
    for (const watcher of this.#watchers) watcher();
  }

  onConnection(watcher: () => void): void {
    this.#watchers.push(watcher);
  }

  async publish(ingressId: string, packet: Buffer): Promise<void> {
    this.#pendingBytes += packet.length;
    if (this.#held === null) await Promise.resolve();
    else await new Promise<void>(resolve => this.#held?.push(resolve));
    this.#pendingBytes -= packet.length;
    this.packets.add({ ingressId, packet });
    this.#listeners.get(ingressId)?.(packet);
  }

  /** What it publishes is read at once. */
  publishPaced(ingressId: string, packet: Buffer): Promise<void> {
    return this.publish(ingressId, packet);
  }

  /** Holds back what is published from now on, as a connection that is down. */
  hold(): void {
    this.#held ??= [];
  }

  /** Publishes what was held back, in order. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const publish of held) publish();
  }

  async listen(ingressId: string, onPacket: (packet: Buffer) => void): Promise<void> {
    this.#listeners.set(ingressId, onPacket);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
