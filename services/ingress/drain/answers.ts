/**
 * Every answer of this node, from its request on: counted by its status when it has ended, whoever gave it, and the last one of its
 * connection once the node leaves.
 */
import type { ServerResponse } from 'node:http';

/** The client left before it was answered, as NGINX and others count it. */
export const CLIENT_LEFT = 499;

/** What is counted of requests that no route takes. */
export const NO_ROUTE = 'none';

interface StatusCounter {
  inc(labels: { endpoint: string; status: string }): void;
}

export class Answers {
  readonly #open = new Set<ServerResponse>();
  readonly #counter: StatusCounter;
  #isLeaving = false;

  constructor(counter: StatusCounter) {
    this.#counter = counter;
  }

  /** Those that are not whole yet. */
  get open(): number {
    return this.#open.size;
  }

  all(): Iterable<ServerResponse> {
    return this.#open;
  }

  /** @param route of a closed set, for the metrics; null where it is not counted. */
  begin(raw: ServerResponse, route: string | null): void {
    if (this.#isLeaving) raw.shouldKeepAlive = false;
    this.#open.add(raw);
    raw.once('close', () => {
      this.#open.delete(raw);
      if (route !== null) this.#count(route, raw.headersSent ? raw.statusCode : CLIENT_LEFT);
    });
  }

  /** Something that was no request was answered. */
  unread(status: number): void {
    this.#count(NO_ROUTE, status);
  }

  #count(endpoint: string, status: number): void {
    this.#counter.inc({ endpoint, status: String(status) });
  }

  /** From now on each answer closes its connection, so that clients come by another one, of another node. */
  leave(): void {
    this.#isLeaving = true;
    for (const raw of this.#open) if (!raw.headersSent) raw.shouldKeepAlive = false;
  }
}
