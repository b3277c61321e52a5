/** JSON as engines write it. */

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
  let out = '';
  let at = 0;
  while (at < text.length) {
    const start = text.indexOf('"', at);
    const end = start < 0 ? text.length : endOfString(text, start);
    out += text.slice(at, start < 0 ? end : start).replaceAll(NO_NUMBER, 'null');
    if (start >= 0) out += text.slice(start, end);
    at = end;
  }
  return out;
}

/** Behind the quote that ends the string. @param start its first quote. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text[at - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
  return text.length;
}
