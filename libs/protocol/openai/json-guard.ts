/**
 * Refuses JSON that would crash a later reader, before anything parses it. `JSON.parse` accepts 500,000 levels, on which
 * `JSON.stringify`, zod or an engine's parser then fail. The scan works on bytes and costs about as much as parsing
 * (1.3 ms per MB).
 */
import { isUtf8 } from 'node:buffer';
import { DispatchError } from '../errors/errors.ts';
import { endOfString } from '../json/json-string.ts';

export interface JsonLimits {
  readonly maxDepth: number;
  /** Commas and colons before anything but a number: bounds keys and elements together. */
  readonly maxParts: number;
  /** Numbers after a comma or colon. Token ids come by the hundred thousand, and each costs a reader next to nothing. */
  readonly maxNumbers: number;
}

const JSON_LIMITS: JsonLimits = { maxDepth: 256, maxParts: 200_000, maxNumbers: 2_000_000 };

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** @returns how many fields all objects have together, as they are written. @throws DispatchError `invalid_json` or `json_too_complex`. */
export function guardJson(bytes: Buffer, limits: JsonLimits = JSON_LIMITS): number {
  if (!isUtf8(bytes))
    throw new DispatchError('invalid_json', { message: 'The body is not valid UTF-8. Encode it as UTF-8.' });
  let depth = 0;
  let parts = 0;
  let numbers = 0;
  let names = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      i = endOfString(bytes, i);
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > limits.maxDepth) throw new DispatchError('json_too_complex');
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
    } else if (byte === COMMA || byte === COLON) {
      if (byte === COLON) names++;
      i = lastSpaceAfter(bytes, i);
      const isTooMuch = startsNumber(bytes[i + 1])
        ? ++numbers > limits.maxNumbers
        : ++parts > limits.maxParts;
      if (isTooMuch) throw new DispatchError('json_too_complex');
    }
  }
  return names;
}

function lastSpaceAfter(bytes: Buffer, at: number): number {
  let i = at;
  // All white space of JSON is at or below the space; what else is there is not JSON.
  while ((bytes[i + 1] ?? QUOTE) <= SPACE) i++;
  return i;
}

function startsNumber(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= ZERO && byte <= NINE) || byte === MINUS);
}

/**
 * Guards, then parses. Besides malformed JSON it refuses `__proto__` and `constructor.prototype`, which change an object's prototype when
 * copied carelessly (escaped ones too), and lone surrogates in strings, on which engines written in other languages choke.
 * @throws DispatchError whose message never quotes the body.
 */
export function parseJson(bytes: Buffer): unknown {
  const names = guardJson(bytes);
  const text = bytes.toString('utf8');
  const suspicious = /__proto__|constructor|\\u/.test(text);
  let parsed: unknown;
  try {
    parsed = suspicious ? JSON.parse(text, reviveSafely) : JSON.parse(text);
  } catch (err) {
    if (err instanceof DispatchError) throw err;
    // The engine's own message quotes the text around the fault.
    throw new DispatchError('invalid_json');
  }
  if (fieldsIn(parsed) !== names)
    throw new DispatchError('invalid_json', {
      message:
        'An object in the body has a key twice, and which one counts depends on the reader. Leave one out.',
    });
  return parsed;
}

/** Fields of all objects together. */
function fieldsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) {
    let fields = 0;
    for (const each of value) if (typeof each === 'object') fields += fieldsIn(each);
    return fields;
  }
  let fields = 0;
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key];
    fields += 1 + (typeof inner === 'object' ? fieldsIn(inner) : 0);
  }
  return fields;
}

function reviveSafely(this: unknown, key: string, value: unknown): unknown {
  if (key === '__proto__' || (key === 'constructor' && hasPrototype(value)))
    throw new DispatchError('invalid_json', {
      message: 'The body has a key that is not allowed, such as `__proto__`. Leave it out.',
    });
  if (typeof value === 'string' && !value.isWellFormed())
    throw new DispatchError('invalid_json', {
      message:
        'The body has a string with an unpaired surrogate, which is no valid Unicode. Replace or remove it.',
    });
  return value;
}

function hasPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}
