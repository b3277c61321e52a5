/** Reads the input file of a batch line by line, as bytes: memory use depends on its longest line, not on its size. */
import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';

/** What a line has beside the body of its request: custom_id, method and url. */
const LINE_SLACK = 4096;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const BOM = Buffer.from('\uFEFF');

/** The file as a whole cannot be used. */
export class InputFileError extends Error {
  override readonly name = 'InputFileError';
  readonly code: string;
  readonly line: number | null;
  constructor(code: string, message: string, line: number | null = null) {
    super(message);
    this.code = code;
    this.line = line;
  }
}

export interface InputLine {
  /** 1 for the first. */
  readonly number: number;
  readonly text: Buffer;
}

/**
 * Lines that are not blank, without byte order mark and carriage return.
 * @param mostBytes of the body of a request. @throws InputFileError for what cannot be a line of JSON.
 */
export async function* readLines(
  content: AsyncIterable<Buffer> | Readable,
  mostBytes: number,
): AsyncGenerator<InputLine> {
  const most = mostBytes + LINE_SLACK;
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let number = 0;
  const take = (end: Buffer): InputLine | null => {
    const whole = begun.length === 0 ? end : Buffer.concat([...begun, end]);
    begun = [];
    begunBytes = 0;
    number++;
    return toLine(whole, number, most);
  };
  for await (const chunk of content as AsyncIterable<Buffer>) {
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to >= 0; to = chunk.indexOf(NEWLINE, from)) {
      const line = take(chunk.subarray(from, to));
      from = to + 1;
      if (line !== null) yield line;
    }
    if (from === chunk.length) continue;
    begun.push(chunk.subarray(from));
    begunBytes += chunk.length - from;
    if (begunBytes > most) refuseLong(number + 1, most);
  }
  const last = take(Buffer.alloc(0));
  if (last !== null) yield last;
}

function refuseLong(line: number, most: number): never {
  throw new InputFileError(
    'line_too_long',
    `This line is longer than ${most} bytes (PENSTOCK_BODY_LIMIT_BYTES). Lines end with a line feed.`,
    line,
  );
}

/** Null for a blank line. */
function toLine(whole: Buffer, number: number, most: number): InputLine | null {
  if (whole.length > most) refuseLong(number, most);
  const from = number === 1 && whole.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
  const to = whole.at(-1) === RETURN ? whole.length - 1 : whole.length;
  const text = whole.subarray(from, Math.max(from, to));
  if (text.every(byte => byte === SPACE || byte === RETURN || byte === 0x09)) return null;
  if (!isUtf8(text)) throw new InputFileError('invalid_encoding', 'The file is not UTF-8 text.', number);
  return { number, text };
}
