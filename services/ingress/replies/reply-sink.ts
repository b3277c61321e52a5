/** What a dispatched answer is written to: the client's connection, or something in front of it that changes its shape. */
import type { DispatchError, ResultMeta } from '@penstock/protocol';

export interface ReplySink {
  events(bytes: Buffer, served: Served): void;
  /** @param served null only where something was shown before. */
  end(bytes: Buffer, served: Served | null): void;
  result(meta: ResultMeta, body: Buffer, served: Served | null): void;
  error(error: DispatchError, served: Served | null): void;
  /** Called once a second. @param waitedMs since the request was dispatched. */
  waiting(waitedMs: number): void;
}

/** Who served, for the response headers. */
export interface Served {
  readonly worker: string;
  /** 1 for a request that ran once. */
  readonly attempt: number;
  readonly waitMs: number;
}
