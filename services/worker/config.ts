/** Everything an operator can set on a worker. A worker only dials out; the one port it may open is for those who watch it. */
import { ARCHITECTURES } from '@penstock/policy';
import { MOST_MODELS } from '@penstock/protocol';
import {
  bodyBudgetSetting,
  clearTextSetting,
  dispatchSettings,
  filesSettings,
  keepingSettings,
  monitoringSettings,
  msPerModel,
  nameSetting,
  partsIn,
  readPerModel,
  regionSettings,
  settingOf,
  trailSettings,
  workKeysSetting,
} from '@penstock/runtime';
import { KeyList } from '@penstock/transport';
import { z } from 'zod';
import { parseEndpoints } from './engine/endpoint-probe.ts';
import { LIST_EVERY_MS } from './engine/engine-watch.ts';
import { PLAIN_CALLS } from './engine/plain-as-stream.ts';

const ms = (fallback: number) => z.coerce.number().int().min(1).default(fallback);

/** `auto`, or per model: `llama=yes,*=no`. Null where the engine is to be tried. */
function parseContinues(text: string): (slug: string) => boolean | null {
  const values: Record<string, boolean | null> = { auto: null, yes: true, no: false };
  const read = (value: string) => (Object.hasOwn(values, value) ? values[value] : undefined);
  const ofModel = readPerModel(text, read, 'use auto, yes or no, or <model>=<one of these>, comma-separated');
  return slug => ofModel(slug) ?? null;
}

/** `llama,qwen/*`: names, or beginnings of names. */
function parseModels(text: string): (name: string) => boolean {
  const names = partsIn(text);
  if (names.length === 0) throw new TypeError('name at least one model, or use *');
  return name =>
    names.some(known => (known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known));
}

export const workerConfig = z.object({
  PENSTOCK_WORKER_ID: nameSetting.optional().describe('Name of this worker; generated if absent.'),
  PENSTOCK_POOL: nameSetting
    .optional()
    .describe(
      'Pool that the worker is deployed with, by which a scaler counts it. If absent, that of its models.',
    ),
  PENSTOCK_ENGINE_URL: z
    .url({ protocol: /^https?$/, error: 'give the engine as http(s)://host:port, without /v1' })
    .transform(url => url.replace(/\/+$/, '').replace(/\/v1$/, ''))
    .describe('Base URL of the OpenAI-compatible engine.'),
  PENSTOCK_ENGINE_API_KEY: z.string().optional().describe('Sent to the engine as a Bearer token.'),
  PENSTOCK_ENGINE_CA: z
    .string()
    .optional()
    .describe(
      'Certificates (PEM) of the authorities that sign that of an engine at https://, in place of the public ones.',
    ),
  PENSTOCK_ENGINE_CERT: z
    .string()
    .optional()
    .describe('Certificate (PEM) that this process shows to the engine, where it asks for one.'),
  PENSTOCK_ENGINE_KEY: z.string().optional().describe('Private key (PEM) of PENSTOCK_ENGINE_CERT.'),
  PENSTOCK_ENGINE_ENDPOINTS: settingOf(parseEndpoints)
    .prefault('auto')
    .describe(
      'Endpoints that the engine has, comma-separated, each with its path behind = where it is not the usual one (chat,rerank=/rerank). auto: the engine is asked at the start.',
    ),
  PENSTOCK_STREAM_PLAIN_CALLS: z
    .enum(PLAIN_CALLS, { error: `use ${PLAIN_CALLS.join(', ')}` })
    .default('auto')
    .describe(
      'Which chat completions and completions without a stream are made as streams, with the answer assembled by the worker: always, never, or auto: those to engines that go on computing when the client of a plain call leaves (llama.cpp).',
    ),
  PENSTOCK_ARCHITECTURE: z
    .enum(ARCHITECTURES, { error: `use ${ARCHITECTURES.join(' or ')}` })
    .optional()
    .describe(
      "Architecture of the engine's models: dense or moe (mixture of experts). If absent, the engine's model list or the model's name decides.",
    ),
  PENSTOCK_MODELS: settingOf(parseModels)
    .prefault('*')
    .describe(
      'Models of the engine that are served, comma-separated, by the names that it lists; `*` at the end of a name stands for the rest.',
    ),
  PENSTOCK_MOST_MODELS: z.coerce
    .number()
    .int()
    .min(1)
    .max(MOST_MODELS)
    .default(128)
    .describe(
      'Most models that are served, adapters included: those that the engine lists first. Each has queues of its own in the stream that all workers share.',
    ),
  PENSTOCK_MODEL_LIST_MS: z.coerce
    .number()
    .int()
    .min(1000)
    .default(LIST_EVERY_MS)
    .describe('How often the engine is asked for its models again: adapters come and go.'),
  PENSTOCK_CONTINUES: settingOf(parseContinues)
    .prefault('auto')
    .describe(
      'Whether the engine goes on with an answer that another one began (continue_final_message), for all models or per model: yes, no, or auto (it is tried).',
    ),
  PENSTOCK_SLOTS: z.coerce
    .number()
    .int()
    .min(1)
    .max(4096)
    .default(128)
    .describe(
      'Most requests that run at once. The worker takes fewer where the engine tells that it runs fewer, keeps requests waiting inside or refuses them, or is used by others.',
    ),
  ...regionSettings,
  ...clearTextSetting,
  ...keepingSettings,
  ...filesSettings,
  ...workKeysSetting(KeyList.parse),
  ...bodyBudgetSetting,
  ...dispatchSettings,
  ...monitoringSettings,
  ...trailSettings,
  PENSTOCK_TICK_MS: ms(10).describe(
    'How long deltas for one ingress are collected and then sent together. The first delta never waits.',
  ),
  PENSTOCK_FIRST_TOKEN_TIMEOUT_MS: msPerModel(120_000).describe(
    'How long a stream may take to its first token, for all models or per model; longer is a failure.',
  ),
  PENSTOCK_IDLE_TIMEOUT_MS: msPerModel(300_000).describe(
    'How long a stream may be silent after its first token, for all models or per model; longer is a failure. Engines are silent while they hold back a large tool call.',
  ),
  PENSTOCK_DRAIN_MS: z.coerce
    .number()
    .int()
    .min(0)
    .default(8000)
    .describe('How long running requests may go on after SIGTERM before they are handed back.'),
});
