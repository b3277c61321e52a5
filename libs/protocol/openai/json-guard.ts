/**
 * Refuses JSON that would crash a later reader, before anything parses it. `JSON.parse` accepts 500,000 levels, on which
 * `JSON.stringify`, zod or an engine's parser then fail. The scan works on bytes and costs about as much as parsing
 * (1.3 ms per MB).
 */
import { isUtf8 } from 'node:buffer';
import { DispatchError } from '../errors/errors.ts';

export interface JsonLimits {
  readonly maxDepth: number;
  /** Commas and colons: bounds keys and elements together. */
  readonly maxParts: number;
}

const JSON_LIMITS: JsonLimits = { maxDepth: 64, maxParts: 50_000 };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** @throws DispatchError `invalid_json` or `json_too_complex`. */
export function guardJson(bytes: Buffer, limits: JsonLimits = JSON_LIMITS): void {
  if (!isUtf8(bytes)) throw new DispatchError('invalid_json', { message: 'The body is not valid UTF-8.' });
  let depth = 0;
  let parts = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      i = endOfString(bytes, i);
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > limits.maxDepth) throw new DispatchError('json_too_complex');
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
    } else if ((byte === COMMA || byte === COLON) && ++parts > limits.maxParts) {
      throw new DispatchError('json_too_complex');
    }
  }
}

/** Index of the quote that closes the string opened at `open`; the end of the bytes when none does. */
function endOfString(bytes: Buffer, open: number): number {
  let close = bytes.indexOf(QUOTE, open + 1);
  while (close >= 0) {
    let slashes = 0;
    while (bytes[close - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return close;
    close = bytes.indexOf(QUOTE, close + 1);
  }
  return bytes.length;
}

/** Keys that change an object's prototype when copied carelessly. */
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Guards, then parses. Besides malformed JSON it refuses prototype keys (escaped ones too), NUL and lone surrogates in
 * strings: engines written in other languages choke on those.
 * @throws DispatchError whose message never quotes the body.
 */
export function parseJson(bytes: Buffer): unknown {
  guardJson(bytes);
  const text = bytes.toString('utf8');
  const suspicious = /__proto__|constructor|prototype|\\u/.test(text);
  try {
    return suspicious ? JSON.parse(text, reviveSafely) : JSON.parse(text);
  } catch (err) {
    if (err instanceof DispatchError) throw err;
    // The engine's own message quotes the text around the fault.
    throw new DispatchError('invalid_json');
  }
}

function reviveSafely(this: unknown, key: string, value: unknown): unknown {
  if (FORBIDDEN_KEYS.has(key) && !Array.isArray(this) && (key === '__proto__' || typeof value === 'object')) {
    throw new DispatchError('invalid_json', { message: 'The body has a key that is not allowed.' });
  }
  if (typeof value === 'string' && (!value.isWellFormed() || value.includes('\0'))) {
    throw new DispatchError('invalid_json', {
      message: 'The body has a string with a NUL character or an unpaired surrogate.',
    });
  }
  return value;
}
