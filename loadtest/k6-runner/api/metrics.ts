/** The module `k6/metrics`. */
import type { MetricType } from '../metrics/metrics.ts';
import type { ModuleExports } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';

export function metricsModule(vu: VirtualUser): ModuleExports {
  const classOf = (type: MetricType) =>
    class CustomMetric {
      readonly name: string;
      readonly #metric;

      constructor(name: string, isTime = false) {
        if (!vu.initialising) {
          throw new Error(`metric '${name}': make metrics in the init context, outside of functions`);
        }
        this.name = String(name);
        this.#metric = vu.run.registry.register(this.name, type, isTime ? 'time' : 'default');
      }

      add(value: unknown, tags?: Readonly<Record<string, unknown>>): void {
        const number = typeof value === 'boolean' ? Number(value) : value;
        if (typeof number !== 'number' || !Number.isFinite(number)) {
          throw new TypeError(`metric '${this.name}': ${String(value)} is not a number`);
        }
        if (type === 'counter' && number < 0) {
          throw new TypeError(`metric '${this.name}': a counter does not go down`);
        }
        vu.run.registry.emit(this.#metric, number, withTags(vu, tags));
      }
    };
  return {
    Counter: classOf('counter'),
    Gauge: classOf('gauge'),
    Rate: classOf('rate'),
    Trend: classOf('trend'),
  };
}

function withTags(vu: VirtualUser, own?: Readonly<Record<string, unknown>>) {
  if (own === undefined || own === null) return vu.tags();
  const tags: Record<string, string> = { ...vu.tags() };
  for (const name in own) tags[name] = String(own[name]);
  return tags;
}
