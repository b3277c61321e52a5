/** JSON as engines write it. */

/** Python's json module writes these where a number is none. */
const NO_NUMBER = /([:[,]\s*)(-?Infinity|NaN)(?=\s*[,}\]])/g;

/** @throws where it is not JSON; numbers that are none are read as null. */
export function parseEngineJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (!/Infinity|NaN/.test(text)) throw err;
    return JSON.parse(text.replaceAll(NO_NUMBER, '$1null'));
  }
}
