/** What the benchmark runs: a k6 script like any other. */
import { check } from 'k6';
import http from 'k6/http';
import type { Options } from 'k6/options';

const body = JSON.stringify({ model: 'sim-chat', messages: [{ role: 'user', content: 'Hello' }] });
const params = { headers: { 'content-type': 'application/json' }, tags: { model: 'sim-chat' } };
const seconds = __ENV['SECONDS'] ?? '10';

export const options: Options = {
  scenarios:
    __ENV['MODE'] === 'rate'
      ? {
          unary: {
            executor: 'constant-arrival-rate',
            rate: Number(__ENV['RATE']),
            duration: `${seconds}s`,
            preAllocatedVUs: 100,
            maxVUs: 300,
            exec: 'unary',
          },
        }
      : {
          loop: {
            executor: 'constant-vus',
            vus: Number(__ENV['VUS']),
            duration: `${seconds}s`,
            exec: __ENV['MODE'] === 'stream' ? 'stream' : 'unary',
          },
        },
  summaryTrendStats: ['count', 'med', 'p(99)', 'max'],
  thresholds: { dropped_iterations: ['count==0'], checks: ['rate==1'] },
};

export async function unary() {
  const answer = await http.asyncRequest('POST', `${__ENV['TARGET']}/unary`, body, params);
  check(answer, { 'is 200': ({ status }) => status === 200 });
}

export async function stream() {
  const answer = await http.asyncRequest('POST', `${__ENV['TARGET']}/stream`, body, params);
  check(answer, { 'is whole': ({ body }) => String(body).endsWith('[DONE]\n\n') });
}
