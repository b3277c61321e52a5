/** The module `k6/data`: arrays that all VUs read. */
import type { ModuleExports } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';

export function dataModule(vu: VirtualUser): ModuleExports {
  /** Made by the first VU that asks for the name; frozen, as nobody may change what others read. */
  function SharedArray(name: unknown, make: unknown): readonly unknown[] {
    if (new.target === undefined) throw new TypeError('SharedArray needs `new`');
    if (!vu.initialising)
      throw new Error('SharedArray is for the init context: make it outside of functions');
    if (typeof name !== 'string' || name === '') throw new TypeError('SharedArray needs a name');
    const known = vu.run.sharedArrays.get(name);
    if (known !== undefined) return known;
    if (typeof make !== 'function') throw new TypeError(`SharedArray '${name}' needs a function`);
    const made: unknown = make();
    if (!Array.isArray(made)) throw new TypeError(`SharedArray '${name}': its function returned no array`);
    const copy = deepFreeze(JSON.parse(JSON.stringify(made))) as readonly unknown[];
    vu.run.sharedArrays.set(name, copy);
    return copy;
  }
  return { SharedArray };
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const each of Object.values(value)) deepFreeze(each);
  return Object.freeze(value);
}
