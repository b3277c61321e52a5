/**
 * What must not be in a log: prompts and keys. All that this process sends over `fetch` is remembered, the texts of its bodies and its
 * keys, and each line that a process of the test writes is held against it: whatever test it is, and however it ends.
 */
import { subscribe } from 'node:diagnostics_channel';

/** A field with a text of a client. Shorter texts are said by chance. */
const TEXT = /"(?:content|text|input|prompt|instructions|arguments|query)"\s*:\s*"((?:[^"\\]|\\.){16,})/g;
const SHORTEST = 16;
const COMPARED = 48;
/** Of one test file: the latest. */
const MOST_TEXTS = 2000;
const MOST_BODY = 64 * 1024;
/** Bodies of requests and answers, whoever wrote them and however often they were written as JSON; or any bytes. */
const SHAPES = /\\*"(messages|choices|delta)\\*"\s*:\s*[[{]|"type":"Buffer"/;
const SECRET_SETTING = /(KEYS?|SECRETS?|PASSWORD|TOKEN|CREDS|WEBHOOKS)$/;
const SECRET_HEADERS = new Set(['authorization', 'x-api-key', 'api-key']);

export interface LogLeaks {
  /** Of a process that is started: what its settings name as keys. */
  keysOf(env: Readonly<Record<string, string>>): void;
  /** Remembers each line that has something in it. */
  look(process: string, line: string): void;
  readonly found: readonly string[];
}

export function watchLeaks(): LogLeaks {
  const texts = new Set<string>();
  const keys = new Set<string>();
  const found: string[] = [];
  subscribe('undici:request:create', message => {
    const { headers } = (message as { request: { headers: readonly string[] } }).request;
    for (const [i, name] of headers.entries())
      if (i % 2 === 0 && SECRET_HEADERS.has(name.toLowerCase()))
        addKey(keys, (headers[i + 1] ?? '').replace(/^Bearer\s+/i, ''));
  });
  subscribe('undici:request:bodyChunkSent', message => {
    const { chunk } = message as { chunk: Uint8Array | string };
    for (const text of textsIn(Buffer.from(chunk as Uint8Array).toString('utf8', 0, MOST_BODY))) {
      texts.add(text);
      if (texts.size > MOST_TEXTS) for (const oldest of texts) if (texts.delete(oldest)) break;
    }
  });
  return {
    found,
    keysOf(env) {
      for (const [name, value] of Object.entries(env))
        if (SECRET_SETTING.test(name)) for (const key of value.split(',')) addKey(keys, key.trim());
    },
    look(process, line) {
      const what = leakIn(line, texts, keys);
      if (what !== null) found.push(`${process} logged ${what}: ${line.slice(0, 600)}`);
    },
  };
}

function addKey(keys: Set<string>, key: string): void {
  if (key.length >= 8) keys.add(key);
}

/** What a log line would show of them: the longest stretch without an escape, which a log would write as another one. */
export function textsIn(body: string): string[] {
  return [...body.matchAll(TEXT)].flatMap(([, text = '']) => {
    const [longest = ''] = text.split(/\\./).sort((a, b) => b.length - a.length);
    const said = longest.trim().slice(0, COMPARED);
    return said.length < SHORTEST ? [] : [said];
  });
}

/** @returns what a line has that it must not have; null where it is fine. */
export function leakIn(line: string, texts: Iterable<string>, keys: Iterable<string>): string | null {
  for (const key of keys) if (line.includes(key)) return 'a key';
  if (SHAPES.test(line)) return 'a body';
  for (const text of texts) if (line.includes(text)) return 'a prompt';
  return null;
}
