/** The module `k6/execution`: where a script finds out what it is part of. */
import { EXIT, RunFailure, UnsupportedApi } from '../outcome/failure.ts';
import type { ModuleExports } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';

export function executionModule(vu: VirtualUser): ModuleExports {
  const object = (name: string, getters: Record<string, () => unknown>) => strict(vu, name, getters);
  const tags = tagMap(vu);
  const metrics = object('vu.metrics', { tags: () => tags });
  const scenarioOf = () => {
    if (vu.scenario === null) throw new Error('exec.scenario is only there while a scenario runs');
    return vu.scenario;
  };
  return {
    scenario: object('scenario', {
      name: () => scenarioOf().plan.name,
      executor: () => scenarioOf().plan.executor,
      startTime: () => scenarioOf().startedAt,
      progress: () => scenarioOf().progress(),
      iterationInInstance: () => vu.iterationInTest,
      iterationInTest: () => vu.iterationInTest,
    }),
    instance: object('instance', {
      iterationsInterrupted: () => vu.run.counters.interrupted,
      iterationsCompleted: () => vu.run.counters.completed,
      vusActive: () => vu.run.counters.vusActive,
      vusInitialized: () => vu.run.counters.vusInitialized,
      currentTestRunDuration: () => (vu.run.startedAt === null ? 0 : performance.now() - vu.run.startedAt),
    }),
    test: object('test', {
      options: () => vu.run.options.raw,
      abort: () => (reason?: unknown) => {
        const failure = new RunFailure(
          EXIT.scriptAborted,
          `test aborted${reason === undefined ? '' : `: ${String(reason)}`}`,
        );
        vu.run.abort(failure);
        throw failure;
      },
      fail: () => (reason?: unknown) =>
        vu.run.fail(
          new RunFailure(
            EXIT.markedFailed,
            `test failed${reason === undefined ? '' : `: ${String(reason)}`}`,
          ),
        ),
    }),
    vu: object('vu', {
      idInInstance: () => vu.id,
      idInTest: () => vu.id,
      iterationInInstance: () => Math.max(0, vu.iterationInInstance),
      iterationInScenario: () => Math.max(0, vu.iterationInScenario),
      tags: () => tags,
      metrics: () => metrics,
    }),
  };
}

/** An object of computed properties, on which an unknown name is an error. */
function strict(vu: VirtualUser, owner: string, getters: Record<string, () => unknown>): object {
  return new Proxy(
    {},
    {
      get(_, name) {
        if (typeof name === 'symbol') return undefined;
        const getter = Object.hasOwn(getters, name) ? getters[name] : undefined;
        if (getter !== undefined) return getter();
        const failure = new UnsupportedApi(`k6/execution ${owner}.${name}`);
        vu.refuse(failure);
        throw failure;
      },
      ownKeys: () => Object.keys(getters),
      getOwnPropertyDescriptor: (_, name) => ({
        enumerable: true,
        configurable: true,
        value: getters[String(name)]?.(),
      }),
    },
  );
}

/** Tags that a VU gives to all its samples, as a map that can be written to. */
function tagMap(vu: VirtualUser): object {
  return new Proxy(
    {},
    {
      get: (_, name) => (typeof name === 'symbol' ? undefined : (vu.ownTags[name] ?? vu.tags()[name])),
      set(_, name, value) {
        if (!['string', 'number', 'boolean'].includes(typeof value)) {
          throw new TypeError(`tag '${String(name)}' must be text, a number or a boolean`);
        }
        vu.setTag(String(name), String(value));
        return true;
      },
      deleteProperty(_, name) {
        vu.setTag(String(name), null);
        return true;
      },
      ownKeys: () => Object.keys(vu.tags()),
      getOwnPropertyDescriptor: (_, name) => ({
        enumerable: true,
        configurable: true,
        value: vu.tags()[String(name)],
      }),
    },
  );
}
