/** What is found out about a multipart form from its bytes as they come, in pieces of any length. */
import { createHash } from 'node:crypto';

/** Of bytes of a form. */
export interface Span {
  readonly at: number;
  readonly bytes: number;
}

/** Longest head of a part that is read. */
const MOST_HEAD = 16 * 1024;
const HEAD_END = '\r\n\r\n';
const NOTHING = Buffer.alloc(0);

/** Empty where the type names none. */
export function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
  return quoted ?? plain ?? '';
}

/** Finds where the value of a text field stands: the first one of the name. What is in files is not mistaken for it. */
export class FieldLocator {
  readonly #delimiter: Buffer;
  readonly #wanted: RegExp;
  /** What came of the form from offset #at on, and is not done with. The first delimiter lacks the line break before it. */
  #rest = Buffer.from('\r\n');
  #at = -2;
  #isHead = false;
  /** Offset of the value of the part that is wanted. */
  #start: number | null = null;
  #isOver: boolean;
  /** Null where there is no such field, or none yet. */
  found: Span | null = null;

  constructor(contentType: string, name: string) {
    const boundary = boundaryOf(contentType);
    this.#isOver = boundary === '';
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#wanted = new RegExp(`^content-disposition:[^\\n]*[; ]name="?${name}"?\\s*(;|$)`, 'im');
  }

  push(piece: Buffer): void {
    if (this.#isOver) return;
    this.#rest = Buffer.concat([this.#rest, piece]);
    while (this.#isHead ? this.#readHead() : this.#readPart()) if (this.#isOver) return;
  }

  /** @returns whether it was whole. */
  #readHead(): boolean {
    const end = this.#rest.indexOf(HEAD_END);
    if (end < 0) {
      // The end of the form, or no form.
      this.#isOver = this.#rest.length > MOST_HEAD;
      return false;
    }
    const head = this.#rest.toString('latin1', 0, end);
    this.#skip(end + HEAD_END.length);
    this.#isHead = false;
    if (this.#wanted.test(head) && !/filename/i.test(head)) this.#start = this.#at;
    return true;
  }

  #readPart(): boolean {
    const end = this.#rest.indexOf(this.#delimiter);
    if (end < 0) {
      this.#skip(Math.max(0, this.#rest.length - this.#delimiter.length + 1));
      return false;
    }
    if (this.#start !== null) {
      this.found = { at: this.#start, bytes: this.#at + end - this.#start };
      this.#isOver = true;
      this.#rest = NOTHING;
      return true;
    }
    this.#skip(end + this.#delimiter.length);
    this.#isHead = true;
    return true;
  }

  #skip(bytes: number): void {
    this.#at += bytes;
    this.#rest = this.#rest.subarray(bytes);
  }
}

/** Tells forms apart but for their boundary, which differs whenever a client sends the same form again. */
export class FormDigest {
  readonly #hash = createHash('sha256');
  readonly #boundary: Buffer;
  #rest = NOTHING;

  constructor(contentType: string) {
    this.#boundary = Buffer.from(boundaryOf(contentType));
  }

  push(piece: Buffer): void {
    const length = this.#boundary.length;
    if (length === 0) return void this.#hash.update(piece);
    const bytes = Buffer.concat([this.#rest, piece]);
    let from = 0;
    for (let at = bytes.indexOf(this.#boundary); at >= 0; at = bytes.indexOf(this.#boundary, from)) {
      this.#hash.update(bytes.subarray(from, at));
      from = at + length;
    }
    const sure = Math.max(from, bytes.length - length + 1);
    this.#hash.update(bytes.subarray(from, sure));
    this.#rest = bytes.subarray(sure);
  }

  digest(): Buffer {
    return this.#hash.update(this.#rest).digest();
  }
}

/** The bytes with others in the place of a span. */
export function withSpan(body: Buffer, { at, bytes }: Span, text: string): Buffer {
  return Buffer.concat([body.subarray(0, at), Buffer.from(text), body.subarray(at + bytes)]);
}
