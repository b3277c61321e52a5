/**
 * Server-sent events as the WHATWG standard has them: lines end with LF, CR LF or CR, a byte order mark is skipped, a field's
 * value may begin behind one blank, and the `data` lines of an event are joined. The bytes of each event are kept, so that it
 * can be passed on as it came.
 */
const LF = 0x0a;
const CR = 0x0d;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const NO_BYTES = Buffer.alloc(0);

export interface SseEvent {
  /** As they came, with the blank line behind it. */
  readonly raw: Buffer;
  /** Null where there is no `data` field: a comment, or a field that is not used here. */
  readonly data: string | null;
  /** Value of the `event` field. */
  readonly name: string;
  /** Whether `raw` can be passed on: its lines end with LF, and a blank line ends it. */
  readonly isPlain: boolean;
}

/**
 * Whether an answer is a stream: by its content type, or, since frameworks leave that out or put another one, by how it begins, as no
 * other kind of answer does. @param start its first bytes.
 */
export function isEventStream(contentType: string, start: Buffer): boolean {
  if (/^text\/event-stream/i.test(contentType)) return true;
  return /^\ufeff?(data|event|id|retry)?:/.test(start.toString('utf8', 0, 16));
}

/** Splits bytes that come in any pieces into events. Takes time linear in the bytes, however small the pieces are. */
export class SseReader {
  /** Bytes of the event that is not complete yet. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isLineEmpty = true;
  /** The last byte was a CR that ended a line: an LF that follows belongs to it. */
  #isBehindCr = false;
  #isStart = true;

  /** Length of the incomplete event. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  push(bytes: Buffer): SseEvent[] {
    const piece = this.#isStart ? this.#withoutBom(bytes) : bytes;
    const events: SseEvent[] = [];
    let from = 0;
    let at = 0;
    if (this.#isBehindCr && piece.length > 0) {
      this.#isBehindCr = false;
      if (piece[0] === LF) {
        at = 1;
        if (this.#heldBytes === 0) from = 1;
      }
    }
    const hasCr = piece.includes(CR, at);
    while (at < piece.length) {
      const end = endOfLine(piece, at, hasCr);
      if (end < 0) {
        this.#isLineEmpty = false;
        break;
      }
      const isBlank = this.#isLineEmpty && end === at;
      at = end + 1;
      if (piece[end] === CR) {
        if (at < piece.length) at += piece[at] === LF ? 1 : 0;
        else this.#isBehindCr = true;
      }
      this.#isLineEmpty = true;
      if (!isBlank) continue;
      const event = this.#take(piece.subarray(from, at));
      if (event !== null) events.push(event);
      from = at;
    }
    if (from < piece.length) this.#hold(piece.subarray(from));
    return events;
  }

  /** What came after the last blank line, read as if one followed; null where that is nothing. Call once, at the end. */
  rest(): SseEvent | null {
    const raw = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return raw.length === 0 ? null : { ...readEvent(raw), isPlain: false };
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  /** Null for a blank line behind another. */
  #take(end: Buffer): SseEvent | null {
    const raw = this.#held.length === 0 ? end : Buffer.concat([...this.#held, end]);
    this.#held = [];
    this.#heldBytes = 0;
    return raw[0] === LF || raw[0] === CR ? null : readEvent(raw);
  }

  /** Holds the first bytes back while they may become a byte order mark. */
  #withoutBom(bytes: Buffer): Buffer {
    const start = this.#held.length === 0 ? bytes : Buffer.concat([...this.#held, bytes]);
    this.#held = [];
    this.#heldBytes = 0;
    if (start.length < BOM.length && start.equals(BOM.subarray(0, start.length))) {
      if (start.length > 0) this.#hold(start);
      return NO_BYTES;
    }
    this.#isStart = false;
    return start.subarray(0, BOM.length).equals(BOM) ? start.subarray(BOM.length) : start;
  }
}

/** Offset of the byte that ends the line, −1 where it goes on. */
function endOfLine(bytes: Buffer, from: number, hasCr: boolean): number {
  const lf = bytes.indexOf(LF, from);
  if (!hasCr) return lf;
  const cr = bytes.subarray(from, lf < 0 ? bytes.length : lf).indexOf(CR);
  return cr < 0 ? lf : from + cr;
}

function readEvent(raw: Buffer): SseEvent {
  const isPlain = !raw.includes(CR);
  const text = raw.toString('utf8');
  // Nearly every event of every engine is one line.
  if (isPlain && text.startsWith('data: ') && text.indexOf('\n') === text.length - 2)
    return { raw, data: text.slice(6, -2), name: '', isPlain };
  return { raw, ...readFields(isPlain ? text : text.replaceAll(/\r\n?/g, '\n')), isPlain };
}

function readFields(block: string): { data: string | null; name: string } {
  const data: string[] = [];
  let name = '';
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') data.push(value);
    else if (field === 'event') name = value;
  }
  return { data: data.length === 0 ? null : data.join('\n'), name };
}

/** The event as it is passed on: as it came, or, where not every reader could take that, written anew. */
export function toPlainBytes({ raw, data, name, isPlain }: SseEvent): Buffer {
  if (isPlain) return raw;
  if (data === null) return NO_BYTES;
  const lines = data.split('\n').map(line => `data: ${line}\n`);
  const head = name === '' ? '' : `event: ${name}\n`;
  return Buffer.from(`${head}${lines.join('')}\n`);
}

/** The `data` of whole events, comments left out. */
export function* eventData(events: string): Generator<string> {
  const text = events.includes('\r') ? events.replaceAll(/\r\n?/g, '\n') : events;
  for (const block of text.split('\n\n')) {
    const { data } = readFields(block);
    if (data !== null) yield data;
  }
}
