/** Checks and groups as a tree: `root_group` of the summary. */
import { createHash } from 'node:crypto';

export interface CheckCount {
  readonly name: string;
  readonly path: string;
  readonly id: string;
  passes: number;
  fails: number;
}

export interface Group {
  readonly name: string;
  /** `::outer::inner`; empty for the root. */
  readonly path: string;
  readonly id: string;
  readonly groups: Group[];
  readonly checks: CheckCount[];
}

const SEPARATOR = '::';

export class CheckTree {
  readonly root: Group = newGroup('', '');
  readonly #groups = new Map<string, Group>([['', this.root]]);
  readonly #checks = new Map<string, CheckCount>();

  /** Path of a group inside another; it is remembered. */
  enter(outer: string, name: string): string {
    if (name.includes(SEPARATOR)) throw new Error(`a group's name must not contain '${SEPARATOR}'`);
    const path = outer + SEPARATOR + name;
    if (!this.#groups.has(path)) {
      const group = newGroup(name, path);
      this.#groups.set(path, group);
      this.#groups.get(outer)?.groups.push(group);
    }
    return path;
  }

  count(groupPath: string, name: string, passed: boolean): void {
    const path = groupPath + SEPARATOR + name;
    let check = this.#checks.get(path);
    if (check === undefined) {
      check = { name, path, id: idOf(path), passes: 0, fails: 0 };
      this.#checks.set(path, check);
      this.#groups.get(groupPath)?.checks.push(check);
    }
    if (passed) check.passes++;
    else check.fails++;
  }
}

function newGroup(name: string, path: string): Group {
  return { name, path, id: idOf(path), groups: [], checks: [] };
}

function idOf(path: string): string {
  return createHash('md5').update(path).digest('hex');
}
