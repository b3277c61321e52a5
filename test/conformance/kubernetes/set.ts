/** The Helm chart, installed into a real Kubernetes API with each of its sets of values. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runChecks, type SuiteSet } from '../suite.ts';
import { Cluster } from './cluster.ts';
import { Region, type RunnableObject } from './region.ts';
import { accountChecks, releaseChecks, render } from './release.ts';
import { scalerChecks } from './scaler.ts';
import { ensureTools, HELM, KUBERNETES } from './tools.ts';

const SETS = resolve(import.meta.dirname, '../../../deploy/helm/penstock/ci');
const NOTES = `A kube-apiserver with etcd, the resource definitions of KEDA 2.21, the Prometheus operator 0.85 and the Gateway API 1.6, and pod security \`restricted\`
enforced. There is no node, no controller and no admission webhook of KEDA: what is judged is what the API accepts, keeps and allows. Pods are sent to it as a controller would. What they
would run is run as processes, with the same settings, secrets and servers.`;

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
      const allInOne = join(SETS, 'all-in-one-values.yaml');
      cases.push(...(await runChecks(accountChecks(cluster, allInOne), say)));
      cases.push(...(await runChecks(scalerChecks(cluster, join(SETS, 'builtin-scaler-values.yaml')), say)));
      cases.push(...(await runChecks(processChecks(cluster, allInOne), say)));
      const judge = `kube-apiserver ${KUBERNETES}, Helm ${HELM}`;
      return [{ suite: 'kubernetes', judge, unit: 'checks', cases }];
    } finally {
      await cluster.stop();
    }
  },
};

/** What NATS says of its consumers, as KEDA asks it. */
interface Jsz {
  readonly account_details: readonly {
    readonly name: string;
    readonly stream_detail: readonly {
      readonly name: string;
      readonly consumer_detail: readonly { readonly name: string }[];
    }[];
  }[];
}

function processChecks(cluster: Cluster, values: string) {
  let region: Region | null = null;
  return {
    'all-in-one: what its pods would run, run as processes, answers with the key that was made': async () => {
      const objects = await render(cluster, 'ns', values);
      region = new Region(objects as readonly unknown[] as RunnableObject[]);
      await region.start();
      const answer = await fetch(`${region.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${region.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'sim-chat',
          max_tokens: 5,
          messages: [{ role: 'user', content: 'Hello' }],
        }),
      });
      assert.equal(answer.status, 200, await answer.text());
    },
    'all-in-one: every consumer that KEDA would be told of is one that its NATS has': async () => {
      assert.ok(region);
      try {
        const keda = ['--set', 'autoscaling.provider=keda', '--set', 'pools.sim.models={sim-chat}'];
        const scaled = (await render(cluster, 'ns', values, ...keda)).filter(
          ({ kind, metadata }) => kind === 'ScaledObject' && metadata.name.endsWith('-worker-sim'),
        );
        const triggers = scaled.flatMap(({ spec }) => spec.triggers ?? []);
        assert.equal(triggers.length, 5);
        for (const { metadata } of triggers) {
          const query = `acc=${encodeURIComponent(metadata['account'] ?? '')}&consumers=true&config=true`;
          const said = (await (await fetch(`${region.monitor}/jsz?${query}`)).json()) as Jsz;
          const account = said.account_details.find(({ name }) => name === metadata['account']);
          const stream = account?.stream_detail.find(({ name }) => name === metadata['stream']);
          const names = stream?.consumer_detail.map(({ name }) => name) ?? [];
          assert.ok(names.includes(metadata['consumer'] ?? ''), `${metadata['consumer']}: ${names}`);
        }
      } finally {
        await region.stop();
      }
    },
  };
}
