/** Every metric of every process, read off the registries, and what docs/metrics.md says of them. */
import { readFileSync } from 'node:fs';
import type { Registry } from '@penstock/runtime';
import { emptyIngressMetrics } from '../../services/ingress/metrics.fixture.ts';
import { emptyScalerMetrics } from '../../services/scaler/metrics.fixture.ts';
import { tasksMetricsOf } from '../../services/tasks/metrics.fixture.ts';
import { emptyWorkerMetrics } from '../../services/worker/metrics.fixture.ts';

const PAGE = new URL('../../docs/metrics.md', import.meta.url);

/** Heading of docs/metrics.md → metrics of the process. */
const PROCESSES: Readonly<Record<string, () => Registry>> = {
  Ingress: () => emptyIngressMetrics().set.registry,
  Worker: () => emptyWorkerMetrics().registry,
  Tasks: () => tasksMetricsOf().set.registry,
  Scaler: () => emptyScalerMetrics().set.registry,
};

/** By what a name ends with; the base unit of Prometheus. */
const UNITS: readonly (readonly [suffix: RegExp, unit: string])[] = [
  [/_tokens_per_second$/, 'tokens/s'],
  [/_seconds$/, 's'],
  [/_bytes$/, 'bytes'],
  [/_token_estimate_ratio$/, ''],
  [/_ratio$/, '0–1'],
  [/_tokens(_total)?$/, 'tokens'],
];

export interface CatalogueMetric {
  readonly process: string;
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** Our own metrics; Node's come from the library. */
export async function registeredMetrics(): Promise<CatalogueMetric[]> {
  const all: CatalogueMetric[] = [];
  for (const [process, registryOf] of Object.entries(PROCESSES)) {
    const registry = registryOf();
    for (const { name, type, help } of await registry.getMetricsAsJSON()) {
      if (!name.startsWith('penstock_')) continue;
      const { labelNames = [] } = registry.getSingleMetric(name) as unknown as { labelNames?: string[] };
      all.push({ process, name, type: String(type), labels: labelNames, help });
    }
  }
  return all;
}

export function rowOf({ name, type, labels, help }: CatalogueMetric): string {
  const unit = UNITS.find(([suffix]) => suffix.test(name))?.[1] ?? '';
  return `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(', ')} | ${unit} | ${help} |`;
}

/** Rows of the page by heading. */
export function listedRows(): Map<string, string[]> {
  const sections = readFileSync(PAGE, 'utf8').split(/^## /m).slice(1);
  return new Map(
    sections.map(section => {
      const [heading = '', ...lines] = section.split('\n');
      return [heading, lines.filter(line => line.startsWith('| `penstock_'))];
    }),
  );
}
