/** The Helm chart, installed into a real Kubernetes API with each of its sets of values. */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runChecks, type SuiteSet } from '../suite.ts';
import { Cluster } from './cluster.ts';
import { accountChecks, releaseChecks } from './release.ts';
import { ensureTools, HELM, KUBERNETES } from './tools.ts';

const SETS = resolve(import.meta.dirname, '../../../deploy/helm/penstock/ci');
const NOTES = `A kube-apiserver with etcd, the resource definitions of KEDA 2.21, the Prometheus operator 0.85 and the Gateway API 1.6, and pod security \`restricted\`
enforced. There is no node, no controller and no admission webhook of KEDA: what is judged is what the API accepts, keeps and allows. Pods are sent to it as a controller would.`;

export const KUBERNETES_SET: SuiteSet = {
  title: 'Kubernetes',
  notes: NOTES,
  async run(say) {
    const tools = ensureTools(say);
    const cluster = new Cluster(tools);
    try {
      say('starting etcd and kube-apiserver');
      await cluster.start();
      await cluster.define(tools.definitions);
      const cases = [];
      for (const file of readdirSync(SETS).sort()) {
        const set = file.replace(/-values\.yaml$/, '');
        cases.push(...(await runChecks(releaseChecks(cluster, set, join(SETS, file)), say)));
      }
      cases.push(...(await runChecks(accountChecks(cluster, join(SETS, 'all-in-one-values.yaml')), say)));
      const judge = `kube-apiserver ${KUBERNETES}, Helm ${HELM}`;
      return [{ suite: 'kubernetes', judge, unit: 'checks', cases }];
    } finally {
      await cluster.stop();
    }
  },
};
