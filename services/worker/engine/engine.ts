/** The engine behind this worker: any server that speaks OpenAI's HTTP API. */
import { ENDPOINT_TABLE, type Endpoint } from '@penstock/protocol';
import type { TlsMaterial } from '@penstock/transport';
import { Pool } from '@penstock/transport/http';
import { BodyStream } from './body-stream.ts';
import { type EnginePaths, probeEndpoints } from './endpoint-probe.ts';
import type { EngineHandlers } from './engine-handlers.ts';
import { type EngineGauges, readGauges } from './gauges.ts';
import { type EngineModel, readModel } from './model-list.ts';
import { bodyAsStream, type PlainCalls, streamsPlainCalls } from './plain-as-stream.ts';
import { readRetryAfter } from './retry-after.ts';
import { readSlotLimit, SLOT_LIMIT_PATHS } from './slot-limit.ts';

/** A longer answer fails: the reply bus is not made to carry files. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Longest answer to what the worker asks of its own: many times the longest list or page of metrics. */
const MAX_PROBE_BYTES = 4 * 1024 * 1024;
const PROBES_AT_ONCE = 8;
const PROBE_TIMEOUT_MS = 2000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Shorter than what uvicorn (vLLM, SGLang) has by default, 5 s: else a request may meet the end of its connection. */
const KEEP_ALIVE_MS = 4000;

export type { EngineHandlers } from './engine-handlers.ts';

export interface EngineOptions {
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** At https://: whom it trusts, and what it shows. */
  readonly tls: TlsMaterial;
  /** Most connections at once. */
  readonly connections: number;
  /** What the engine has, as the operator says; null where it is to be found out. */
  readonly endpoints: EnginePaths | null;
  /** Which plain calls are made as streams. */
  readonly plainCalls: PlainCalls;
}

export class Engine {
  readonly #pool: Pool;
  /** For what the worker asks of its own: it must not wait for connections that requests have. */
  readonly #probes: Pool;
  readonly #headers: Record<string, string>;
  readonly #configured: EnginePaths | null;
  #paths: EnginePaths;
  readonly #plainCalls: PlainCalls;
  /** Plain calls are made as streams. */
  #streamsPlain: boolean;
  #trouble: string | null = null;

  constructor(options: EngineOptions) {
    this.#configured = options.endpoints;
    this.#paths = options.endpoints ?? new Map();
    this.#plainCalls = options.plainCalls;
    this.#streamsPlain = streamsPlainCalls(options.plainCalls, []);
    this.#pool = new Pool(options.url, {
      connections: options.connections,
      pipelining: 1,
      connect: { timeout: CONNECT_TIMEOUT_MS, ...options.tls },
      // How long an answer may take depends on what it is: see PhaseLimit.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxResponseSize: MAX_ANSWER_BYTES,
    });
    this.#probes = new Pool(options.url, {
      ...{ maxResponseSize: MAX_PROBE_BYTES, connections: PROBES_AT_ONCE },
      connect: { ...options.tls },
    });
    this.#headers = {
      'content-type': 'application/json',
      ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
    };
  }

  /**
   * Posts the body and reports the answer straight from the parser: undici's stream and promise APIs took twice the CPU at
   * 16 chunks a request. After `abort` nothing more is reported.
   * @param handlers of a plain call: they have to take a stream, too, where the call may be made as one.
   * @param headers beside those of every call.
   */
  run(
    endpoint: Endpoint,
    body: Uint8Array | BodyStream,
    handlers: EngineHandlers,
    headers: Readonly<Record<string, string>>,
  ): { abort(): void } {
    if (body instanceof BodyStream)
      return this.#post(endpoint, body, handlers, { ...headers, 'content-length': String(body.bytes) });
    const streamed = this.#streamsPlain ? bodyAsStream(endpoint, body) : null;
    return this.#post(endpoint, streamed ?? body, handlers, headers);
  }

  #post(
    endpoint: Endpoint,
    body: Uint8Array | BodyStream,
    handlers: EngineHandlers,
    headers: Readonly<Record<string, string>>,
  ): { abort(): void } {
    const path = this.#pathOf(endpoint);
    let aborted = false;
    let abortCall: (() => void) | null = null;
    this.#pool.dispatch(
      { path, method: 'POST', headers: { ...this.#headers, ...headers }, body },
      {
        onRequestStart: controller => {
          abortCall = () => controller.abort(new Error('aborted'));
          if (aborted) abortCall();
        },
        onResponseStart: (_controller, status, headers) => {
          if (aborted) return;
          handlers.start(status, String(headers['content-type'] ?? ''), readRetryAfter(headers, Date.now()));
        },
        onResponseData: (_controller, chunk) => {
          if (!aborted) handlers.data(chunk);
        },
        onResponseEnd: () => {
          if (!aborted) handlers.end();
        },
        onResponseError: (_controller, error) => {
          if (!aborted) handlers.error(error);
        },
      },
    );
    return {
      abort: () => {
        if (aborted) return;
        aborted = true;
        abortCall?.();
      },
    };
  }

  /** @throws where the engine does not answer, or not with a model list. */
  async models(): Promise<EngineModel[]> {
    const answer = JSON.parse(await this.#get('/v1/models')) as { data?: unknown };
    if (!Array.isArray(answer.data)) throw new Error('the engine has no model list');
    const models = answer.data.flatMap(readModel);
    this.#streamsPlain = streamsPlainCalls(
      this.#plainCalls,
      models.map(({ ownedBy }) => ownedBy),
    );
    return models;
  }

  /** What the engine can be asked: found out anew each time, unless it is configured. Never rejects. */
  async endpoints(): Promise<Endpoint[]> {
    this.#paths = this.#configured ?? (await probeEndpoints((...call) => this.#status(...call)));
    return [...this.#paths.keys()];
  }

  /** Probes `/health`, or the model list where there is no such route (404). Never rejects. */
  async healthy(): Promise<boolean> {
    try {
      const health = await this.#status('/health');
      const [path, status] =
        health === 404 ? ['/v1/models', await this.#status('/v1/models')] : ['/health', health];
      this.#trouble = status === 200 ? null : `${path} answers with ${status}`;
    } catch (err) {
      const { code, message } = err as Error & { code?: string };
      this.#trouble = `no answer (${code ?? message})`;
    }
    return this.#trouble === null;
  }

  /** Why the last probe was bad; null where it was good. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Null where the engine publishes no metrics that are known here. Never rejects. */
  async gauges(): Promise<EngineGauges | null> {
    try {
      return readGauges(await this.#get('/metrics'));
    } catch {
      return null;
    }
  }

  /** Asks something of its own, on a connection of its own. @throws where no whole answer comes in time. */
  async ask(
    endpoint: Endpoint,
    body: object,
    limitMs: number,
  ): Promise<{ readonly status: number; readonly body: Buffer }> {
    const answer = await this.#probes.request({
      ...{ path: this.#pathOf(endpoint), method: 'POST', headers: this.#headers, body: JSON.stringify(body) },
      signal: AbortSignal.timeout(limitMs),
    });
    return { status: answer.statusCode, body: Buffer.from(await answer.body.arrayBuffer()) };
  }

  #pathOf(endpoint: Endpoint): string {
    return this.#paths.get(endpoint) ?? ENDPOINT_TABLE[endpoint].enginePaths[0];
  }

  /** Requests that it runs at once, where it tells; else null. Never rejects. */
  async slotLimit(): Promise<number | null> {
    for (const path of SLOT_LIMIT_PATHS) {
      const limit = await this.#get(path)
        .then(text => readSlotLimit(JSON.parse(text)))
        .catch(() => null);
      if (limit !== null) return limit;
    }
    return null;
  }

  async #status(path: string, method: 'GET' | 'POST' = 'GET'): Promise<number> {
    const sent = method === 'POST' ? { method, body: '{}' } : {};
    const { statusCode, body } = await this.#probes.request({ path, ...this.#probeOptions(), ...sent });
    await body.dump();
    return statusCode;
  }

  async #get(path: string): Promise<string> {
    const { statusCode, body } = await this.#probes.request({ path, ...this.#probeOptions() });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the engine answered ${statusCode} to GET ${path}`);
    return text;
  }

  #probeOptions() {
    return {
      method: 'GET' as const,
      headers: this.#headers,
      headersTimeout: PROBE_TIMEOUT_MS,
      bodyTimeout: PROBE_TIMEOUT_MS,
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#probes.destroy()]);
  }
}
