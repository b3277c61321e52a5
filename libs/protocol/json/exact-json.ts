/** JSON whose numbers survive: those beyond 2^53 are cut by JSON.parse, and tool schemas have them. */
import { endOfString } from './json-string.ts';

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

const [QUOTE, COMMA] = [0x22, 0x2c];
const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);

interface Field {
  readonly name: string;
  /** Of its value, with the blanks around it. */
  readonly start: number;
  readonly end: number;
}

/** The fields of an object, not those of objects in it. @param json a valid object. */
function* fieldsOf(json: Buffer): Generator<Field> {
  let at = json.indexOf('{') + 1;
  while (at > 0 && at < json.length) {
    const open = json.indexOf(QUOTE, at);
    if (open < 0) return;
    const close = endOfString(json, open);
    const start = json.indexOf(':', close) + 1;
    const end = endOfValue(json, start);
    yield { name: JSON.parse(json.toString('utf8', open, close + 1)) as string, start, end };
    at = end + 1;
  }
}

/**
 * The bytes of a field's value. @param json a valid object. @returns null where there is no such field; of several with one name the
 * last, which is the one that JSON.parse reads.
 */
export function bytesOfField(json: Buffer, name: string): Buffer | null {
  let found: Buffer | null = null;
  for (const field of fieldsOf(json)) if (field.name === name) found = json.subarray(field.start, field.end);
  return found;
}

/**
 * The object with fields set, all other bytes as they are: where there is one of the name its value is replaced, else it comes
 * last. @param json a valid object.
 */
export function withFields(json: Buffer, fields: Readonly<Record<string, unknown>>): Buffer {
  const parts: Buffer[] = [];
  const missing = new Set(Object.keys(fields));
  let [at, count] = [0, 0];
  for (const { name, start, end } of fieldsOf(json)) {
    count++;
    if (!Object.hasOwn(fields, name)) continue;
    missing.delete(name);
    parts.push(json.subarray(at, start), Buffer.from(JSON.stringify(fields[name])));
    at = end;
  }
  const close = json.lastIndexOf('}');
  parts.push(json.subarray(at, close));
  for (const name of missing)
    parts.push(
      Buffer.from(`${count++ > 0 ? ',' : ''}${JSON.stringify(name)}:${JSON.stringify(fields[name])}`),
    );
  parts.push(json.subarray(close));
  return Buffer.concat(parts);
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
