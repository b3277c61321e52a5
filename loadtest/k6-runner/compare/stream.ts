/** The runner's half of the comparison: the prompts of a file, one after the other, at an even rate. */

import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';
import type { Options } from 'k6/options';

interface Prompt {
  readonly text: string;
}
const prompts = new SharedArray<Prompt>('prompts', () =>
  open(__ENV['PROMPTS'] ?? '')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Prompt),
);
const rate = Number(__ENV['RATE']);

export const options: Options = {
  scenarios: {
    compare: {
      executor: 'constant-arrival-rate',
      rate,
      duration: `${Math.round((prompts.length * 1000) / rate)}ms`,
      preAllocatedVUs: 100,
      exec: 'ask',
    },
  },
  summaryTrendStats: ['count', 'avg', 'med', 'p(90)', 'p(99)'],
  thresholds: { http_req_failed: ['rate==0'], dropped_iterations: ['count==0'] },
};

export async function ask(): Promise<void> {
  const { text } = prompts[exec.scenario.iterationInTest] ?? { text: '' };
  const body = {
    messages: [{ role: 'user', content: text }],
    model: __ENV['MODEL'],
    stream: true,
    stream_options: { include_usage: true },
    ...JSON.parse(__ENV['EXTRA'] ?? '{}'),
  };
  await http.asyncRequest('POST', `${__ENV['TARGET']}/v1/chat/completions`, JSON.stringify(body), {
    headers: { authorization: `Bearer ${__ENV['KEY']}`, 'content-type': 'application/json' },
  });
}
