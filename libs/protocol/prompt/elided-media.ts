/**
 * Pictures, sounds and files within a JSON body. They are most of a large body and nobody but the engine looks at them, so they
 * are taken out before it is parsed: a marker of a few bytes takes their place, and they are put back into what is made of it.
 * Parsing a body of 50 MB took half a second, in which the process did nothing else, and four times its memory.
 */
import { isAscii } from 'node:buffer';
import { hash } from 'node:crypto';
import { endOfString } from '../json/json-string.ts';

/** Shorter strings are parsed as they are. */
const LONG_BYTES = 64 * 1024;
const SAMPLES = 32;
const SAMPLE_BYTES = 128;

const QUOTE = 0x22;
/** What base64 does not have: a string with it is left to the parser. */
const FOREIGN = [0x5c, 0x00, 0x09, 0x0a, 0x0d, 0x20];
const DATA_URL = /^data:([^,"]*);base64,/i;
/** Files of text: what reads a request may make text of them. */
const TEXT_TYPE = /^(?:text\/|application\/json\b)/i;
/** A string with a marker is no longer than this. */
const MOST_MARKED = 300;
const MARKED = /<media \d+:(\d+):[0-9a-f]{16}>$/;
const MARKER = /<media (\d+):(\d+):[0-9a-f]{16}>/g;

export interface ElidedBody {
  /** The body with markers; itself where there is nothing to take out. */
  readonly bytes: Buffer;
  /** JSON made of the parsed body, with the contents back in place of their markers. */
  restore(json: string): Buffer;
  restoreText(json: string): string;
}

export function elideMedia(body: Buffer): ElidedBody {
  const media = new ElidedMedia();
  return {
    bytes: media.elide(body),
    restore: json => media.restore(json),
    restoreText: json => media.restoreText(json),
  };
}

/** What was taken out of several JSON texts, for one that is made of all of them. */
export class ElidedMedia {
  readonly #markers: string[] = [];
  readonly #contents: Buffer[] = [];

  /** The text with markers; itself where there is nothing to take out. */
  elide(json: Buffer): Buffer {
    const contents = json.length < LONG_BYTES ? [] : contentsIn(json);
    if (contents.length === 0) return json;
    const parts: Buffer[] = [];
    let at = 0;
    for (const content of contents) {
      const from = content.byteOffset - json.byteOffset;
      parts.push(json.subarray(at, from), Buffer.from(this.#take(content)));
      at = from + content.length;
    }
    parts.push(json.subarray(at));
    return Buffer.concat(parts);
  }

  #take(content: Buffer): string {
    const marker = `<media ${this.#contents.length}:${content.length}:${digestOf(content)}>`;
    this.#markers.push(marker);
    this.#contents.push(content);
    return marker;
  }

  /** JSON made of the parsed texts, with the contents back in place of their markers. */
  restore(json: string): Buffer {
    return Buffer.concat(
      this.#restored(json).map(part => (typeof part === 'string' ? Buffer.from(part) : part)),
    );
  }

  /** As {@link restore}; what is copied is the contents alone. */
  restoreText(json: string): string {
    let text = '';
    for (const part of this.#restored(json))
      text += typeof part === 'string' ? part : part.toString('latin1');
    return text;
  }

  #restored(json: string): (string | Buffer)[] {
    if (this.#contents.length === 0) return [json];
    const parts: (string | Buffer)[] = [];
    let at = 0;
    for (const { 0: marker, 1: number, index } of json.matchAll(MARKER)) {
      const content = this.#contents[Number(number)];
      // A client may have written something like it.
      if (content === undefined || marker !== this.#markers[Number(number)]) continue;
      parts.push(json.slice(at, index), content);
      at = index + marker.length;
    }
    parts.push(json.slice(at));
    return parts;
  }
}

/** Bytes of the content that a string of a parsed body stands for, as base64; for any other string its length. */
export function mediaBytes(text: string): number {
  const bytes = text.length > MOST_MARKED ? undefined : MARKED.exec(text)?.[1];
  return bytes === undefined ? text.length : Number(bytes);
}

/** The same for equal contents, wherever they stand in a request: to compare prompts by. */
export function withoutNumber(text: string): string {
  return text.length > MOST_MARKED ? text : text.replace(MARKED, marker => marker.replace(/\d+:/, ''));
}

function contentsIn(body: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let open = body.indexOf(QUOTE); open >= 0; ) {
    const close = endOfString(body, open);
    if (close - open > LONG_BYTES) {
      const content = contentOf(body, open, close);
      if (content !== null) found.push(content);
    }
    open = body.indexOf(QUOTE, close + 1);
  }
  return found;
}

/** The base64 of a data: URL, or of a field that is called so. */
function contentOf(body: Buffer, open: number, close: number): Buffer | null {
  const head = body.toString('latin1', open + 1, open + 200);
  const before = body.toString('latin1', Math.max(0, open - 40), open);
  const [url, type] = DATA_URL.exec(head) ?? [];
  if (type === undefined ? !/"(?:data|file_data)"\s*:\s*$/.test(before) : TEXT_TYPE.test(type)) return null;
  const content = body.subarray(open + 1 + (url?.length ?? 0), close);
  const isBase64 = isAscii(content) && FOREIGN.every(byte => !content.includes(byte));
  return isBase64 ? content : null;
}

/** Tells contents apart without reading all of them: length and samples. The same on every node. */
function digestOf(content: Buffer): string {
  const samples: Buffer[] = [Buffer.from(`${content.length}`)];
  for (let i = 0; i < SAMPLES; i++) {
    const at = Math.floor((i * (content.length - SAMPLE_BYTES)) / (SAMPLES - 1));
    samples.push(content.subarray(at, at + SAMPLE_BYTES));
  }
  return hash('sha1', Buffer.concat(samples)).slice(0, 16);
}
