/** What clients may call a model, what requests for it have where they say nothing, and which other may stand in for it. */
import { DispatchError, MOST_NAME, validateRequest } from '@penstock/protocol';
import { settingOf } from './notation.ts';

/** Fields that say what is asked, and those that are read before an engine is: no default could be right for them. */
const NO_DEFAULTS: ReadonlySet<string> = new Set([
  ...['model', 'messages', 'prompt', 'input', 'tools', 'functions', 'stream', 'stream_options', 'store'],
  ...[
    'metadata',
    'service_tier',
    'user',
    'safety_identifier',
    'prompt_cache_key',
    '__proto__',
    'constructor',
  ],
]);

/** Alias → name of the model. */
export type ModelAliases = ReadonlyMap<string, string>;
/** Name of the model, or `*` for all → fields that its requests have unless the client gives them. */
export type ModelDefaults = ReadonlyMap<string, Readonly<Record<string, unknown>>>;
/** Name of the model → those that may stand in for it, the first that has a worker. */
export type ModelFallbacks = ReadonlyMap<string, readonly string[]>;

/** `gpt-4o=llama-3.3-70b,…`, or the same as a JSON object. @throws TypeError that says how to write it. */
export function parseAliases(text: string): ModelAliases {
  const aliases = readPairs(text, 'alias=model', target => {
    if (typeof target !== 'string') throw new TypeError('each alias stands for the name of one model');
    checkName(target);
    return target;
  });
  for (const [alias, target] of aliases)
    if (aliases.has(target)) throw new TypeError(`${alias} must name a model; ${target} is an alias too`);
  return aliases;
}

/** `llama-3.3-70b=qwen-72b>llama-8b,…`, or a JSON object of lists. @throws TypeError that says how to write it. */
export function parseFallbacks(text: string): ModelFallbacks {
  return readPairs(text, 'model=other>another', (value, model) => {
    const names = typeof value === 'string' ? value.split('>').map(name => name.trim()) : value;
    if (!Array.isArray(names) || names.length === 0) throw new TypeError(`${model} needs a list of models`);
    for (const name of names) checkName(name);
    if (names.includes(model)) throw new TypeError(`${model} cannot stand in for itself`);
    return names as string[];
  });
}

/** A JSON object: model → fields. @throws TypeError that says what is wrong. */
export function parseDefaults(text: string): ModelDefaults {
  return text.trim() === ''
    ? new Map()
    : readAll(parseObject(text, '{"model":{"temperature":0.6}}'), checkDefaults);
}

function checkDefaults(fields: unknown, model: string): Readonly<Record<string, unknown>> {
  if (!isObject(fields)) throw new TypeError(`the defaults of ${model} must be an object of request fields`);
  const wrong = Object.keys(fields).find(name => NO_DEFAULTS.has(name));
  if (wrong !== undefined) throw new TypeError(`${wrong} cannot have a default (${model})`);
  try {
    validateRequest('chat', { model: 'm', messages: [{ role: 'user', content: 'x' }], ...fields });
  } catch (err) {
    if (!(err instanceof DispatchError)) throw err;
    throw new TypeError(`the defaults of ${model} are no fields of a request: ${err.param}: ${err.message}`);
  }
  return fields;
}

function readPairs<T>(text: string, form: string, read: (value: unknown, name: string) => T): Map<string, T> {
  const isJson = text.trimStart().startsWith('{') || text.trimStart().startsWith('[');
  return readAll(isJson ? parseObject(text, form) : parsePairs(text, form), read);
}

function readAll<T>(
  pairs: readonly (readonly [string, unknown])[],
  read: (value: unknown, name: string) => T,
): Map<string, T> {
  const all = new Map<string, T>();
  for (const [name, value] of pairs) {
    checkName(name);
    if (all.has(name)) throw new TypeError(`${name} is there twice`);
    all.set(name, read(value, name));
  }
  return all;
}

function parseObject(text: string, form: string): [string, unknown][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TypeError(`not valid JSON; use ${form}`);
  }
  if (!isObject(value)) throw new TypeError(`use ${form}`);
  return Object.entries(value);
}

function parsePairs(text: string, form: string): [string, string][] {
  return text
    .split(',')
    .filter(part => part.trim() !== '')
    .map(part => {
      const at = part.indexOf('=');
      if (at < 0) throw new TypeError(`use ${form}, comma-separated, or a JSON object`);
      return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    });
}

function checkName(name: unknown): void {
  if (typeof name !== 'string' || name === '' || name.length > MOST_NAME)
    throw new TypeError(`a model's name has 1 to ${MOST_NAME} characters`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What the settings say, in the form that the parts take it. */
export function modelRulesOf(config: {
  readonly PENSTOCK_MODEL_ALIASES: ModelAliases;
  readonly PENSTOCK_MODEL_DEFAULTS: ModelDefaults;
  readonly PENSTOCK_MODEL_FALLBACKS: ModelFallbacks;
}) {
  const { PENSTOCK_MODEL_ALIASES: aliases, PENSTOCK_MODEL_FALLBACKS: fallbacks } = config;
  const all = config.PENSTOCK_MODEL_DEFAULTS.get('*') ?? {};
  const defaults = new Map(
    [...config.PENSTOCK_MODEL_DEFAULTS].map(([model, own]) => [model, { ...all, ...own }] as const),
  );
  return {
    modelNames: { aliases, fallbacks },
    /** @param model the name of one that serves. */
    modelDefaultsOf: (model: string) => defaults.get(model) ?? all,
  };
}

/** Of ingress nodes and tasks processes alike: both take requests. */
export const modelSettings = {
  PENSTOCK_MODEL_ALIASES: settingOf(parseAliases)
    .prefault('')
    .describe(
      'Other names of models, comma-separated (gpt-4o=llama-3.3-70b), or as a JSON object. Must be the same at all ingress nodes and tasks processes.',
    ),
  PENSTOCK_MODEL_DEFAULTS: settingOf(parseDefaults)
    .prefault('')
    .describe(
      'Fields that requests have where the client gives none, by model, as JSON: {"llama-3.3-70b":{"temperature":0.6}}; * is for all models. Must be the same at all ingress nodes and tasks processes.',
    ),
  PENSTOCK_MODEL_FALLBACKS: settingOf(parseFallbacks)
    .prefault('')
    .describe(
      'Models that stand in for one that has no worker, in order (llama-3.3-70b=qwen-72b>llama-8b), comma-separated, or as a JSON object of lists.',
    ),
};
