/** What somebody who wants to do harm may send in place of any message, for the tests of all rooms. */
import { seeded } from './random.fixture.ts';

/** In place of any field. */
const VALUES: readonly string[] = [
  ...[
    'null',
    'true',
    '-1',
    '0.5',
    '1e308',
    '-1e308',
    '1e999',
    '9'.repeat(400),
    '""',
    '"a.b"',
    '"*"',
    '">"',
    '" "',
  ],
  ...['"\\u0000"', '"\\r\\nx: y"', '"__proto__"', '[]', '{}', '[null]', '{"__proto__":{"a":1}}', '"\\ud800"'],
  ...[
    `"${'x'.repeat(5000)}"`,
    `${'['.repeat(5000)}${']'.repeat(5000)}`,
    `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
  ],
];

/** Bytes that are no message at all. */
const GARBAGE: readonly string[] = [
  ...[
    '',
    ' ',
    '\n',
    '{',
    '[]',
    'null',
    '7',
    '"x"',
    '{}',
    '{"v":1}',
    '\ufeff{}',
    '{"__proto__":null}',
    '{"constructor":{"prototype":{}}}',
  ],
  ...['['.repeat(100_000), '{"a":'.repeat(100_000), '9'.repeat(100_000), `"${'x'.repeat(100_000)}`],
];

/**
 * Every message that differs from a good one in one field: missing, of another type, out of range, too long, too deep; the good one
 * cut and with bytes changed; and what is none.
 * @param message as an object that becomes JSON.
 */
export function* hostileJson(message: object, seed = 1): Generator<Buffer, void> {
  for (const text of GARBAGE) yield Buffer.from(text);
  const whole = Buffer.from(JSON.stringify(message));
  yield* hostileBytes(whole, seed);
  for (const path of pathsIn(message)) {
    for (const value of VALUES) yield Buffer.from(withValue(message, path, value));
    yield Buffer.from(withValue(message, path, undefined));
  }
}

/** Cut, and with bytes changed, by a seed. */
export function* hostileBytes(whole: Buffer, seed = 1): Generator<Buffer, void> {
  const rand = seeded(seed);
  const below = (end: number) => Math.floor(rand() * end);
  for (let i = 0; i < 200; i++) yield whole.subarray(0, below(whole.length));
  for (let i = 0; i < 500; i++) {
    const bytes = Buffer.from(whole);
    for (let flips = 1 + below(4); flips > 0; flips--) bytes[below(bytes.length)] = below(256);
    yield bytes;
  }
  for (let i = 0; i < 200; i++) yield Buffer.from(Array.from({ length: below(400) }, () => below(256)));
}

type Path = readonly (string | number)[];

function* pathsIn(value: unknown, path: Path = []): Generator<Path, void> {
  if (path.length > 0) yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value))
    yield* pathsIn(inner, [...path, Array.isArray(value) ? Number(key) : key]);
}

/** @param json in its place, as text; undefined leaves the field out. */
function withValue(message: object, path: Path, json: string | undefined): string {
  const mark = 'in-this-place';
  const copy = structuredClone(message) as Record<string | number, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  if (json === undefined) delete at[last];
  else at[last] = mark;
  return json === undefined ? JSON.stringify(copy) : JSON.stringify(copy).replace(`"${mark}"`, () => json);
}
