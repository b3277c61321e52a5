/** JSON whose numbers survive: those beyond 2^53 are cut by JSON.parse, and tool schemas have them. */
/** JSON.parse tells a reviver the source of a number, and JSON.stringify writes what `rawJSON` holds as it is. */
type ExactReviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
const exact = JSON as unknown as {
  parse(text: string, reviver: ExactReviver): unknown;
  rawJSON(text: string): object;
};

const LONG_NUMBER = /\d{16}/;

/** The same value, to be written again: long numbers are opaque in it. @param parsed what the bytes were parsed as. */
export function exactJson(bytes: Buffer, parsed: unknown): unknown {
  const text = bytes.toString('utf8');
  return LONG_NUMBER.test(text) ? parseExactText(text) : parsed;
}

/** As JSON.parse, but long numbers are opaque. @throws SyntaxError */
export function parseExactText(text: string): unknown {
  return exact.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && LONG_NUMBER.test(source)
      ? exact.rawJSON(source)
      : value,
  );
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);

/**
 * The bytes of a field's value. @param json a valid object. @returns null where there is no such field; of several with one name the
 * last, which is the one that JSON.parse reads.
 */
export function bytesOfField(json: Buffer, name: string): Buffer | null {
  let found: Buffer | null = null;
  let at = json.indexOf('{') + 1;
  while (at > 0 && at < json.length) {
    const open = json.indexOf(QUOTE, at);
    if (open < 0) break;
    const close = endOfString(json, open);
    const start = json.indexOf(':', close) + 1;
    const end = endOfValue(json, start);
    if (JSON.parse(json.toString('utf8', open, close + 1)) === name) found = json.subarray(start, end);
    at = end + 1;
  }
  return found;
}

/** Offset of the comma or brace behind the value. */
function endOfValue(json: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const byte = json[at] ?? 0;
    if (byte === QUOTE) at = endOfString(json, at);
    else if (OPEN.has(byte)) depth++;
    else if (CLOSE.has(byte) && depth-- === 0) return at;
    else if (byte === COMMA && depth === 0) return at;
  }
  return json.length;
}

/** Offset of the quote that closes the string. */
function endOfString(json: Buffer, open: number): number {
  for (let at = open + 1; at < json.length; at++) {
    if (json[at] === BACKSLASH) at++;
    else if (json[at] === QUOTE) return at;
  }
  return json.length;
}
