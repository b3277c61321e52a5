/** The engine behind this worker: any server that speaks OpenAI's HTTP API. */
import { ARCHITECTURES, type Architecture, architectureOf } from '@penstock/policy';
import { Pool, request } from 'undici';

/** A larger answer is not carried: the reply bus is no file store. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const PROBE_TIMEOUT_MS = 2000;
const MAX_NAME = 256;

export interface EngineHandlers {
  start(status: number, contentType: string): void;
  data(bytes: Buffer): void;
  end(): void;
  error(error: Error): void;
}

export interface EngineOptions {
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Connections kept at most. */
  readonly connections: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface EngineModel {
  readonly name: string;
  readonly created: number;
  readonly ownedBy: string;
  readonly architecture: Architecture | null;
}

/** What the engine's own gauges say; null where it does not tell. */
export interface EngineGauges {
  readonly running: number | null;
  /** KV cache in use, 0–1. */
  readonly kvUse: number | null;
  /** Tokens the KV cache can hold. */
  readonly kvCapacity: number | null;
}

export class Engine {
  readonly #pool: Pool;
  readonly #headers: Record<string, string>;
  readonly #url: string;

  constructor(options: EngineOptions) {
    this.#url = options.url;
    this.#pool = new Pool(options.url, {
      connections: options.connections,
      pipelining: 1,
      headersTimeout: options.firstByteTimeoutMs,
      bodyTimeout: options.idleTimeoutMs,
      keepAliveTimeout: 30_000,
      maxResponseSize: MAX_ANSWER_BYTES,
    });
    this.#headers = {
      'content-type': 'application/json',
      ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
    };
  }

  /**
   * Posts the body and reports what comes, straight from the parser: undici's stream and promise forms cost twice the
   * CPU at 16 chunks a request. After `abort` nothing more is reported.
   */
  run(path: string, body: Uint8Array, handlers: EngineHandlers): { abort(): void } {
    let aborted = false;
    let abortCall: (() => void) | null = null;
    this.#pool.dispatch(
      { path, method: 'POST', headers: this.#headers, body },
      {
        onRequestStart: controller => {
          abortCall = () => controller.abort(new Error('aborted'));
          if (aborted) abortCall();
        },
        onResponseStart: (_controller, status, headers) => {
          if (!aborted) handlers.start(status, String(headers['content-type'] ?? ''));
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

  /** @throws when the engine does not answer or answers with anything but a model list. */
  async models(): Promise<EngineModel[]> {
    const answer = JSON.parse(await this.#get('/v1/models')) as { data?: unknown };
    if (!Array.isArray(answer.data)) throw new Error('the engine has no model list');
    return answer.data.flatMap(readModel);
  }

  /** `/health`; engines without one (404) are asked for their models instead. */
  async healthy(): Promise<boolean> {
    try {
      const status = await this.#status('/health');
      return status === 404 ? (await this.#status('/v1/models')) === 200 : status === 200;
    } catch {
      return false;
    }
  }

  /** Null when the engine publishes no metrics we know. */
  async gauges(): Promise<EngineGauges | null> {
    try {
      return readGauges(await this.#get('/metrics'));
    } catch {
      return null;
    }
  }

  async #status(path: string): Promise<number> {
    const { statusCode, body } = await request(this.#url + path, this.#probeOptions());
    await body.dump();
    return statusCode;
  }

  async #get(path: string): Promise<string> {
    const { statusCode, body } = await request(this.#url + path, this.#probeOptions());
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the engine answered ${statusCode} to GET ${path}`);
    return text;
  }

  #probeOptions() {
    return {
      headers: this.#headers,
      headersTimeout: PROBE_TIMEOUT_MS,
      bodyTimeout: PROBE_TIMEOUT_MS,
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** One entry of an engine's model list; none where it has no usable name. */
export function readModel(model: unknown): EngineModel[] {
  if (typeof model !== 'object' || model === null) return [];
  const { id: name, created, owned_by: owner, architecture, root } = model as Record<string, unknown>;
  if (typeof name !== 'string' || name.length > MAX_NAME) return [];
  const said = ARCHITECTURES.find(known => known === architecture);
  // vLLM serves a model under any name; `root` is the one it was loaded by.
  const loaded = typeof root === 'string' && root.length <= MAX_NAME ? root : name;
  return [
    {
      name,
      created: typeof created === 'number' ? created : 0,
      ownedBy: typeof owner === 'string' ? owner : 'penstock',
      architecture: said ?? architectureOf(loaded) ?? architectureOf(name),
    },
  ];
}

/** vLLM tells its cache's size in the labels of an info metric. */
function readCapacity(text: string): number | null {
  const labels = /^vllm:cache_config_info\{([^}]*)\}/m.exec(text)?.[1] ?? '';
  const label = (name: string) => Number(new RegExp(`(?:^|,)${name}="(\\d+)"`).exec(labels)?.[1]);
  const tokens = label('block_size') * label('num_gpu_blocks');
  return tokens > 0 ? tokens : null;
}

/**
 * Gauge names of vLLM, SGLang and llama.cpp, by what they mean. Several series of one gauge (models, ranks) are added up.
 * llama.cpp's `kv_cache_usage_ratio` is none of them: it counts what idle slots still remember, and stays full for ever.
 */
const GAUGES = {
  running: ['vllm:num_requests_running', 'sglang:num_running_reqs', 'llamacpp:requests_processing'],
  kvUse: ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc', 'sglang:token_usage'],
  capacity: ['sglang:max_total_num_tokens'],
} as const;

export function readGauges(text: string): EngineGauges | null {
  const values = new Map<string, number[]>();
  for (const line of text.split('\n')) {
    const match = /^([a-z_:]+)(?:\{[^}]*\})? ([0-9.eE+-]+)/.exec(line);
    if (match?.[1] === undefined) continue;
    const series = values.get(match[1]);
    if (series === undefined) values.set(match[1], [Number(match[2])]);
    else series.push(Number(match[2]));
  }
  const find = (names: readonly string[]) =>
    names.map(name => values.get(name)).find(series => series !== undefined);
  const sum = (series: number[] | undefined) => series?.reduce((a, b) => a + b, 0) ?? null;
  // A percentage, or anything else above 1, would say for ever that the cache is full.
  const kv = find(GAUGES.kvUse)?.filter(share => share >= 0 && share <= 1) ?? [];
  const gauges = {
    running: sum(find(GAUGES.running)),
    kvUse: kv.length === 0 ? null : Math.max(...kv),
    kvCapacity: readCapacity(text) ?? sum(find(GAUGES.capacity)),
  };
  return gauges.running === null && gauges.kvUse === null ? null : gauges;
}
