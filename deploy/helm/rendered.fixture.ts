/** The objects of the chart as Helm renders them, for tests. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CHART } from './env-names.ts';

/** Sets of values in the chart's `ci`. */
export const SETS = ['minimal', 'all-in-one', 'production', 'hpa-ingress', 'gpu-pools', 'builtin-scaler'];

export const helm = process.env['PENSTOCK_TEST_HELM'] ?? 'helm';
export const skip =
  spawnSync(helm, ['version']).status === 0
    ? false
    : 'helm is not on the PATH (go install helm.sh/helm/v4/cmd/helm@v4.3.1, or your package manager)';

interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: Record<string, unknown>;
}
interface Volume {
  readonly projected?: { readonly sources: readonly { readonly secret: { readonly name: string } }[] };
  readonly secret?: { readonly secretName: string };
}
interface PodSpec {
  readonly volumes: readonly Volume[];
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: Record<string, unknown>;
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
}
interface Trigger {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
}
export interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Record<string, string> };
  /** Of a Secret. */
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template: { readonly spec: PodSpec };
    readonly triggers: readonly Trigger[];
    readonly advanced: { readonly scalingModifiers: { readonly formula: string; readonly target: string } };
    readonly replicas?: number;
  };
}

export function template(...args: string[]) {
  const ran = spawnSync(helm, ['template', 'penstock', CHART, '--namespace', 'ns', ...args], {
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  return { ...ran, said: `${ran.stdout}${ran.stderr}` };
}

const known = new Map<string, readonly Rendered[]>();

/** The objects of a set of values. @param more values, as --set takes them. */
export function rendered(set: string, more = ''): readonly Rendered[] {
  const before = known.get(set + more);
  if (before !== undefined) return before;
  const { status, stdout, stderr } = template(
    ...['--values', join(CHART, `ci/${set}-values.yaml`), '--set', more],
  );
  assert.equal(status, 0, stderr);
  const objects = parseAllDocuments(stdout)
    .map(document => document.toJS() as Rendered | null)
    .filter(each => each !== null);
  known.set(set + more, objects);
  return objects;
}
