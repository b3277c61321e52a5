/**
 * What may reach an engine. Fields that are not known here pass, since engines have hundreds of harmless ones (`top_k`, `min_p`,
 * `guided_json`, `chat_template_kwargs`, …); those of this list have an engine do something for which it takes nobody's word but its
 * operator's. Each is refused unless PENSTOCK_ENGINE_FIELDS names it. Addresses of media, which an engine fetches, have to be public.
 */
import { DispatchError } from '../errors/errors.ts';
import { isObject } from '../json/is-object.ts';

/** Field → what an engine does with it. */
export const GUARDED_FIELDS = {
  // Where an engine reads or writes the KV cache of a request: any host and port, or the cache of somebody else.
  kv_transfer_params: 'names servers with which the engine exchanges its cache',
  bootstrap_host: 'names a server to which the engine connects',
  bootstrap_port: 'names a server to which the engine connects',
  bootstrap_room: 'names the cache of a request',
  disagg_prefill_dp_rank: 'chooses a part of the engine',
  data_parallel_rank: 'chooses a part of the engine',
  routed_dp_rank: 'chooses a part of the engine',
  id_slot: 'chooses a slot of the engine, with what it holds of others',
  slot_id: 'chooses a slot of the engine, with what it holds of others',
  session_params: 'names a session of the engine',
  // Programs: templates run in the engine, and these two are unpickled or imported by it.
  chat_template: 'is a program that the engine runs',
  custom_logit_processor: 'is a program that the engine runs',
  logits_processors: 'names programs that the engine runs',
  // Tensors, which engines unpickle (CVE-2025-62164).
  prompt_embeds: 'is a file that the engine unpacks without checks',
  image_embeds: 'is a file that the engine unpacks without checks',
  input_embeds: 'is a tensor that the engine takes as it is',
  // Arguments of whatever loads media, or of a plug-in.
  mm_processor_kwargs: 'sets up the program that reads media',
  media_io_kwargs: 'sets up the program that reads media',
  vllm_xargs: 'is handed to plug-ins of the engine',
  lora_path: 'names a file that the engine loads',
  // Names under which an engine knows a request: they are made here, and another one could abort or mix up requests.
  rid: 'is the name under which the engine knows a request',
  request_id: 'is the name under which the engine knows a request',
  http_worker_ipc: 'names a socket of the engine',
  // A proxy in place of an engine (LiteLLM) would send its key there (CVE-2024-6587).
  api_base: 'names a server to which a proxy sends its keys',
  base_url: 'names a server to which a proxy sends its keys',
  api_key: 'is a key for another server',
} as const satisfies Record<string, string>;

export type GuardedField = keyof typeof GUARDED_FIELDS;

export function isGuardedField(name: string): name is GuardedField {
  return Object.hasOwn(GUARDED_FIELDS, name);
}

/** What operators decide. */
export interface EngineRules {
  /** Of {@link GUARDED_FIELDS}, those that clients may send. */
  readonly allowedFields: ReadonlySet<string>;
  /** Why an engine is not to fetch a URL, as a sentence that does not quote it; null where it may. */
  readonly whyNotFetched: (url: string) => string | null;
}

/** Objects whose fields engines take for fields of the request itself. */
const BESIDES = ['extra_body', 'chat_template_kwargs', 'sampling_params', 'custom_params'];
/** What names media, in all APIs that are served: as a text, or as an object with a `url`. */
const MEDIA = new Set([
  'image_url',
  'video_url',
  'audio_url',
  'file_url',
  'input_image',
  'image',
  'video',
  'audio',
  'source',
  'images',
]);
/** They describe what somebody else is to fill in, and are read by no engine as media. */
const DESCRIBED = new Set([
  'tools',
  'functions',
  'response_format',
  'text',
  'metadata',
  'guided_json',
  'json_schema',
  'structured_outputs',
]);

/** @param body parsed. @throws DispatchError `invalid_request` that names the field. */
export function checkForEngine(body: unknown, rules: EngineRules): void {
  if (!isObject(body)) return;
  checkFields(body, '', rules);
  for (const name of BESIDES) if (isObject(body[name])) checkFields(body[name], `${name}.`, rules);
  for (const [name, value] of Object.entries(body))
    if (!DESCRIBED.has(name)) checkMedia(name, value, name, rules);
}

function checkFields(fields: Record<string, unknown>, path: string, { allowedFields }: EngineRules): void {
  for (const [name, value] of Object.entries(fields))
    if (isGuardedField(name) && !allowedFields.has(name) && value !== null)
      throw guarded(name, `${path}${name}`);
}

function guarded(name: GuardedField, param: string): DispatchError {
  return new DispatchError('invalid_request', {
    param,
    message: `\`${name}\` ${GUARDED_FIELDS[name]}, and is not passed on. Leave it out, or have the operator allow it (PENSTOCK_ENGINE_FIELDS).`,
  });
}

/** Requests are no deeper than the guard of their JSON lets them be. */
function checkMedia(name: string, value: unknown, path: string, rules: EngineRules): void {
  if (Array.isArray(value)) {
    for (const [i, each] of value.entries())
      if (typeof each === 'object' || MEDIA.has(name)) checkMedia(name, each, `${path}[${i}]`, rules);
    return;
  }
  if (typeof value === 'string') return MEDIA.has(name) ? checkUrl(value, path, rules) : undefined;
  if (!isObject(value)) return;
  if (MEDIA.has(name) && typeof value['url'] === 'string') checkUrl(value['url'], `${path}.url`, rules);
  if ('image_embeds' in value && !rules.allowedFields.has('image_embeds'))
    throw guarded('image_embeds', `${path}.image_embeds`);
  for (const [key, inner] of Object.entries(value))
    if (typeof inner === 'object' || MEDIA.has(key)) checkMedia(key, inner, `${path}.${key}`, rules);
}

/** `data:`, the bytes themselves, and names of files of this API, have no scheme that is fetched. */
const FETCHED = /^\s*[a-z][a-z0-9+.-]*:|^\s*\/\//i;

function checkUrl(url: string, param: string, { whyNotFetched }: EngineRules): void {
  if (/^data:/i.test(url) || !FETCHED.test(url.slice(0, 4096))) return;
  const why = whyNotFetched(url);
  if (why !== null)
    throw new DispatchError('invalid_request', {
      param,
      message: `The engine may not fetch this URL. ${why} Send the contents as a data: URL, or have the operator allow the host (PENSTOCK_MEDIA_ALLOW).`,
    });
}
