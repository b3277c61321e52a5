/** JSON Merge Patch (RFC 7396): what changes from one state to the next, and the next state from it. Neither changes its arguments. */

export type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

export function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * @param after holds no null: a patch cannot say it.
 * @returns undefined where nothing changed.
 */
export function diff(before: Json, after: Json): Json | undefined {
  if (before === after) return undefined;
  if (!isObject(before) || !isObject(after)) return isSame(before, after) ? undefined : after;
  const patch: [string, Json][] = [];
  for (const key of Object.keys(before)) if (own(after, key) === undefined) patch.push([key, null]);
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue;
    const change = diff(own(before, key), value);
    if (change !== undefined) patch.push([key, change]);
  }
  // Not by assignment: a worker may be called `__proto__`.
  return patch.length === 0 ? undefined : Object.fromEntries(patch);
}

/** What a patch does not mention stays the same object, so that a page draws again only what changed. */
export function applyPatch(before: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  // A copy that engines make in one go: a page makes one of a thousand workers four times a second.
  const after: Record<string, Json> = { ...(isObject(before) ? before : {}) };
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete after[key];
    else set(after, key, applyPatch(own(after, key), change));
  }
  return after;
}

/** A worker may be called `__proto__`, which an assignment would not make a property of. */
function set(object: Record<string, Json>, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** `after`, with every part that has not changed taken from `before`: states that are kept side by side share what is equal. */
export function shareUnchanged<T>(before: Json, after: T): T {
  if (isObject(before) && isObject(after)) {
    const entries = Object.entries(after).map(([key, value]) => [
      key,
      shareUnchanged(own(before, key), value),
    ]);
    const isEqual =
      entries.length === Object.keys(before).length &&
      entries.every(([key, value]) => own(before, String(key)) === value);
    return (isEqual ? before : Object.fromEntries(entries)) as T;
  }
  return isSame(before, after) ? (before as T) : after;
}

function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function isSame(before: Json, after: Json): boolean {
  if (!Array.isArray(before) || !Array.isArray(after)) return before === after;
  return before.length === after.length && before.every((item, i) => isSame(item, after[i]));
}
