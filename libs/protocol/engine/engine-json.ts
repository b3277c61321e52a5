/** JSON as engines write it. */
import { endOfString } from '../json/json-string.ts';

/** Python's json module writes these where a number is none. */
const NO_NUMBER = /-?\bInfinity\b|\bNaN\b/g;

/** @throws where it is not JSON; numbers that are none are read as null. */
export function parseEngineJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (!/Infinity|NaN/.test(text)) throw err;
    return JSON.parse(withNulls(text));
  }
}

/** What stands in strings is what somebody said, and stays. */
function withNulls(text: string): string {
  const bytes = Buffer.from(text);
  let out = '';
  for (let at = 0; at < bytes.length; ) {
    const quote = bytes.indexOf('"', at);
    const open = quote < 0 ? bytes.length : quote;
    const behind = open + 1 < bytes.length ? endOfString(bytes, open) + 1 : bytes.length;
    out +=
      bytes.toString('utf8', at, open).replaceAll(NO_NUMBER, 'null') + bytes.toString('utf8', open, behind);
    at = behind;
  }
  return out;
}
