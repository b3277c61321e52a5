/**
 * What tracing costs a streamed request: all that ingress and worker do for its spans, with an exporter that sends them to a collector
 * in another process. Measured by itself: in a whole stack the cost is less than what the kernel's account differs by from run to run.
 */
import type { WorkMeta } from '@penstock/protocol';
import { startTracing, type Tracing } from '@penstock/runtime';
import { RequestTrace } from '../../../services/ingress/telemetry/request-trace.ts';
import type { Attempt } from '../../../services/worker/attempts/attempt.ts';
import { AttemptTracing } from '../../../services/worker/attempts/attempt-tracing.ts';
import { startProcess } from '../../../testkit/process.ts';
import { median } from '../measure/load.ts';

/** CPU for each request, µs: the median of the rounds. */
export interface TracingCost {
  readonly sampledUs: number;
  /** With one request of ten sampled. */
  readonly tenthUs: number;
  readonly unsampledUs: number;
}

const ROUNDS = 7;
const REQUESTS = 5000;
/** Requests of one turn of the event loop. */
const AT_ONCE = 50;
/** Takes what it is sent, and drops it. */
const COLLECTOR = `
const server = require('node:http').createServer((request, response) => {
  request.resume();
  request.on('end', () => response.writeHead(200).end());
});
server.listen(0, '127.0.0.1', () => console.log('listening ' + server.address().port));
`;
const META = {
  ...{ id: 'abcdefghijklmnopqrstuvwxyz', endpoint: 'chat', model: 'sim-chat', slug: 'sim-chat' },
  ...{ lane: 'interactive', size: 'short', stream: true, promptTokens: 100, maxTokens: 128 },
  ...{ acceptedAt: 0, attemptBase: 0, stored: false },
} as WorkMeta;
const ENGINE = { run: () => ({ abort() {} }) };

export async function measureTracing(): Promise<TracingCost> {
  let port = '';
  const collector = await startProcess(process.execPath, ['-e', COLLECTOR], {
    readyWhen: line => {
      port = /listening (\d+)/.exec(line)?.[1] ?? '';
      return port !== '';
    },
  });
  const start = async (ratio: number): Promise<Tracing> => {
    const env = {
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_MAX_QUEUE_SIZE: '100000' },
      ...{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: String(ratio) },
    };
    const tracing = await startTracing({ service: 'bench', instance: 'b', version: '0', region: 'r' }, env);
    if (tracing === null) throw new Error('tracing is off');
    return tracing;
  };
  const ratios = { sampledUs: 1, tenthUs: 0.1, unsampledUs: 0 };
  const rounds = { sampledUs: [] as number[], tenthUs: [] as number[], unsampledUs: [] as number[] };
  for (let round = -1; round < ROUNDS; round++)
    for (const [name, ratio] of Object.entries(ratios)) {
      const us = await cpuPerRequest(await start(ratio));
      // The first warms up.
      if (round >= 0) rounds[name as keyof typeof rounds].push(us);
    }
  await collector.stop();
  return {
    sampledUs: median(rounds.sampledUs),
    tenthUs: median(rounds.tenthUs),
    unsampledUs: median(rounds.unsampledUs),
  };
}

/** Until all that was sampled is sent. */
async function cpuPerRequest(tracing: Tracing): Promise<number> {
  const attempts = new AttemptTracing({ tracing, worker: 'w-1', engineUrl: 'http://127.0.0.1:8000' });
  const before = process.cpuUsage();
  for (let done = 0; done < REQUESTS; done += AT_ONCE) {
    for (let i = 0; i < AT_ONCE; i++) traceOne(tracing, attempts);
    await new Promise(resolve => setImmediate(resolve));
  }
  await tracing.stop(60_000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / REQUESTS;
}

/** What happens to a streamed request, as far as its trace is concerned. */
function traceOne(tracing: Tracing, attempts: AttemptTracing): void {
  const now = Date.now();
  const trace = new RequestTrace(tracing, now, 'chat', META, undefined);
  trace.placed({ kind: 'shared', reason: 'no_match' }, null);
  const meta = { ...META, acceptedAt: now, names: trace.names(undefined) };
  trace.published(now, 'work.local.sim-chat.interactive');
  const address = { region: 'local', slug: 'sim-chat', lane: 'interactive', worker: null };
  const attempt = { work: { meta }, number: 1, address, answerTokens: 128 } as unknown as Attempt;
  attempts.begun(attempt);
  attempts.engineFor(attempt, ENGINE).run('chat', Buffer.alloc(0), {} as never, {});
  attempts.firstToken(attempt);
  trace.firstToken(20, 5);
  attempts.ended(attempt, 'done', '', '');
  trace.usage(100, 50);
  trace.gone(1);
  trace.outcome('done');
}
