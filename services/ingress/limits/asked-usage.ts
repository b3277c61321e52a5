/** Streams of limited projects are asked for their count of tokens, and the event with it is kept from clients that did not ask for it. */
import {
  type DispatchError,
  type Endpoint,
  eventData,
  type ResultMeta,
  withFields,
} from '@penstock/protocol';
import type { InferenceRequest } from '../intake/understand.ts';
import type { ReplySink, Served } from '../replies/reply-sink.ts';

const ASKABLE: ReadonlySet<Endpoint> = new Set(['chat', 'completions']);

/** @returns null where its client has asked for the count itself, or it is no stream. */
export function askingForUsage(endpoint: Endpoint, read: InferenceRequest): InferenceRequest | null {
  if (!read.summary.stream || !ASKABLE.has(endpoint)) return null;
  const { stream_options: given } = read.parsed as { stream_options?: { include_usage?: unknown } | null };
  if (given?.include_usage === true) return null;
  const asked = { stream_options: { ...given, include_usage: true } };
  return { ...read, body: withFields(read.body, asked), parsed: { ...(read.parsed as object), ...asked } };
}

const USAGE = Buffer.from('"usage"');
const EMPTY = /"choices"\s*:\s*\[\s*\]/;

export class WithoutUsage implements ReplySink {
  readonly #to: ReplySink;

  constructor(to: ReplySink) {
    this.#to = to;
  }

  events(bytes: Buffer, served: Served): void {
    const shown = withoutUsage(bytes);
    if (shown.length > 0) this.#to.events(shown, served);
  }

  end(bytes: Buffer, served: Served | null): void {
    this.#to.end(withoutUsage(bytes), served);
  }

  result(meta: ResultMeta, body: Buffer, served: Served | null): void {
    this.#to.result(meta, body, served);
  }

  error(error: DispatchError, served: Served | null): void {
    this.#to.error(error, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }
}

/** @param bytes whole events. */
function withoutUsage(bytes: Buffer): Buffer {
  if (!bytes.includes(USAGE)) return bytes;
  const all = [...eventData(bytes.toString('utf8'))];
  const shown = all.filter(data => !isOnlyUsage(data));
  return shown.length === all.length ? bytes : Buffer.from(shown.map(data => `data: ${data}\n\n`).join(''));
}

/** Text that talks of usage stands in quotes, which are escaped there. */
function isOnlyUsage(data: string): boolean {
  return EMPTY.test(data) && data.includes('"usage"') && isEmptyChunk(data);
}

function isEmptyChunk(data: string): boolean {
  try {
    const { choices, usage } = JSON.parse(data) as { choices?: unknown; usage?: unknown };
    return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
  } catch {
    return false;
  }
}
