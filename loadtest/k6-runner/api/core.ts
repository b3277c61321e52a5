/** The module `k6`: check, group, fail. */
import type { ModuleExports } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';
import { refused } from './refusal.ts';

export function coreModule(vu: VirtualUser): ModuleExports {
  return {
    check: (value: unknown, checks: unknown, tags?: unknown) => check(vu, value, checks, tags),
    group: (name: unknown, fn: unknown) => group(vu, String(name), fn),
    fail: (message?: unknown) => {
      throw new Error(message === undefined ? 'fail() was called' : String(message));
    },
    sleep: refused(
      vu,
      'sleep()',
      'it blocks a thread, and VUs have none here; write `await new Promise(done => setTimeout(done, ms))`',
    ),
    randomSeed: refused(vu, 'randomSeed()'),
  };
}

function check(vu: VirtualUser, value: unknown, checks: unknown, tags: unknown): boolean {
  if (typeof checks !== 'object' || checks === null) {
    throw new TypeError('check() needs an object of named functions');
  }
  const { run } = vu;
  let all = true;
  for (const [name, test] of Object.entries(checks)) {
    const result: unknown = typeof test === 'function' ? test(value) : test;
    // A promise is truthy: such a check could never fail.
    if (result instanceof Promise) {
      throw new TypeError(`check '${name}' is asynchronous: await first, then check the value`);
    }
    const passed = Boolean(result);
    all &&= passed;
    run.checks.count(vu.groupPath, name, passed);
    const sampleTags = { ...vu.tags(), ...(tags as Record<string, string> | undefined) };
    if (run.options.systemTags.has('check')) sampleTags['check'] = name;
    run.registry.emit(run.metrics.checks, passed ? 1 : 0, sampleTags);
  }
  return all;
}

function group(vu: VirtualUser, name: string, fn: unknown): unknown {
  if (typeof fn !== 'function') throw new TypeError('group() needs a function');
  const outer = vu.groupPath;
  const startedAt = performance.now();
  vu.setGroup(vu.run.checks.enter(outer, name));
  try {
    const result: unknown = fn();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new TypeError(`group '${name}': group() does not support asynchronous functions`);
    }
    return result;
  } finally {
    vu.run.registry.emit(vu.run.metrics.groupDuration, performance.now() - startedAt, vu.tags());
    vu.setGroup(outer);
  }
}
