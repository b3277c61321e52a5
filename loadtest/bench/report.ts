/** The benchmark's figures as a page. */

import { renderSpeed, type SimulatorFigures } from '../simulator/speed.ts';
import type { BigBatchFigures } from './big-batch.ts';
import type { ConsoleFigures, PageFigures } from './console.ts';
import { type EncryptionCost, renderEncryption } from './costs/encryption.ts';
import type { TracingCost } from './costs/tracing.ts';
import type { OpenStreamsFigures } from './open-streams.ts';
import type { ParityFigures } from './parity.ts';
import type { Reaction } from './reactions.ts';
import type { ResumeFigures } from './resumes.ts';
import type { RevocationFigures } from './revocations.ts';
import type { LatencyFigures, WebhookFigures } from './webhooks.ts';

export interface Figures {
  readonly errors: number;
  readonly requestsPerSecond: number;
  /** Time to the first byte of the answer's body, ms. */
  readonly firstByteP50Ms: number;
  readonly firstByteP99Ms: number;
  readonly totalP50Ms: number;
}

export interface BenchCase {
  readonly name: string;
  readonly penstock: Figures;
  /** The same load on one engine alone; null where it would be another load: an engine accepts nothing for later. */
  readonly direct: Figures | null;
  /** CPU time per request, µs. */
  readonly cpuUs: Readonly<Record<'ingress' | 'workers' | 'nats' | 'redis', number>>;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  /** Processes that wanted a core in the minute before, by the kernel's account; absent where it was not noted. */
  readonly loadAverage?: number;
}

export interface BenchReport {
  /** Of the last whole run. */
  readonly machine: Machine;
  /** Parts that were measured again since, each alone, and where. */
  readonly alone: Readonly<Record<string, Machine>>;
  readonly cases: readonly BenchCase[];
  readonly openStreams: OpenStreamsFigures;
  readonly bigBatch: BigBatchFigures;
  readonly webhooks: WebhookFigures;
  readonly reactions: readonly Reaction[];
  readonly resumes: ResumeFigures;
  readonly revocations: RevocationFigures;
  readonly tracing: TracingCost;
  /** Absent where it was never measured. */
  readonly encryption?: EncryptionCost;
  /** Absent where it was never measured. */
  readonly console?: ConsoleFigures;
  readonly simulated: SimulatorFigures;
  readonly parity: ParityFigures;
}

export function renderMarkdown(report: BenchReport): string {
  const rows = report.cases.map(({ name, penstock: p, direct: d, cpuUs: c }) => {
    const total = c.ingress + c.workers + c.nats + c.redis;
    const cells = [
      name,
      p.requestsPerSecond.toFixed(0),
      d?.requestsPerSecond.toFixed(0) ?? '–',
      latencyOf(p),
      d === null ? '–' : latencyOf(d),
      `${total.toFixed(0)} = ${c.ingress.toFixed(0)} + ${c.workers.toFixed(0)} + ${c.nats.toFixed(0)} + ${c.redis.toFixed(0)}`,
      String(p.errors + (d?.errors ?? 0)),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `# Benchmarks

Written by \`npm run bench\` (raw figures: \`loadtest/results/bench.json\`). Everything, the load generator and the simulated
engines too, ran on one machine: ${machineOf(report.machine)}. "Direct" is the same load on one
engine without Penstock, in the same run; behind Penstock there are two such engines, so for a load that fills an engine the
direct figures are those of half the fleet. Rates are those of the shared machine, not the limit of one part; CPU per request
is what each part used by the kernel's account.${aloneOf(report)}

| load | Penstock, req/s | direct, req/s | Penstock first byte p50 / p99, ms | direct, ms | CPU µs a request = ingress + workers + NATS + Redis | errors |
|---|---|---|---|---|---|---|
${rows.join('\n')}

A job is in the queue's file store and in Redis before its client hears 202. Where engines answer at once, both cores run as many
jobs as they accept, and every part waits for a core; where engines need their time (dense-70b-h100x4, 64 slots each), the spike
is taken in and worked off for a minute.

## Memory
One ingress, ${report.openStreams.streams.toLocaleString('en')} streams open at once (${report.openStreams.errors} did not end well), resident memory:
${report.openStreams.idleMb.toFixed(0)} MB idle after a warm-up, ${report.openStreams.openMb.toFixed(0)} MB once all were open, ${report.openStreams.peakMb.toFixed(0)} MB at most, ${report.openStreams.afterMb.toFixed(0)} MB within
half a minute after the last one ended.

## A large batch
${report.bigBatch.lines.toLocaleString('en')} lines of together ${report.bigBatch.inputMb.toFixed(0)} MB, on engines that answer at once: uploaded in ${report.bigBatch.uploadSeconds.toFixed(1)} s, done ${report.bigBatch.seconds.toFixed(0)} s after the
order (${(report.bigBatch.lines / report.bigBatch.seconds).toFixed(0)} lines/s, ${report.bigBatch.failed} failed). The most resident memory each process ever had: tasks ${report.bigBatch.tasksPeakMb.toFixed(0)} MB, ingress
${report.bigBatch.ingressPeakMb.toFixed(0)} MB, Redis ${report.bigBatch.redisPeakMb.toFixed(0)} MB, which keeps the answers until the batch is over. The tasks process used
${report.bigBatch.tasksCpuUs.toFixed(0)} µs of CPU a line.

## Webhooks
From the end of a job to the arrival of its webhook at a receiver that answers at once, p50 / p99:
${latencies(report.webhooks.steady)} with ${report.webhooks.steady.perSecond} jobs a second, ${latencies(report.webhooks.burst)} with ${report.webhooks.burst.jobs} jobs accepted at once.

## Reactions
How long it takes from a cause until its effect is there, with real processes, one try after the other:

| from → to | tries | median | longest |
|---|---|---|---|
${report.reactions.map(rowOf).join('\n')}

A worker counts as lost after 3 s without a heartbeat, which is most of the time after a kill. The share of an engine is taken over a
second; the time is that until this second begins.

## Resumed streams
${report.resumes.responses} background responses of ${report.resumes.tokens} tokens are over; ${report.resumes.readers} readers at a time ask one ingress for their events after a number, and read
to the end: ${report.resumes.perSecond.toFixed(0)} resumes a second, p50 ${report.resumes.p50Ms.toFixed(1)} ms, p99 ${report.resumes.p99Ms.toFixed(1)} ms until the last event, ${report.resumes.errors} errors, CPU a resume: ingress ${report.resumes.ingressUs.toFixed(0)} µs,
Redis ${report.resumes.redisUs.toFixed(0)} µs.

## Exact quotes
A worker whose level changes takes its pull back and posts a new one. With ${report.revocations.pullers} pulls on one consumer and ${report.revocations.perSecond.toFixed(0)} of
these a second, nats-server used ${report.revocations.cpuUs.toFixed(0)} µs of CPU for each. A worker renews its bids at most every 2 ms.

## Traces
What the spans of a streamed request cost at ingress and worker together, with an exporter to a collector in another process: ${report.tracing.sampledUs.toFixed(0)} µs of CPU
if it is sampled, ${report.tracing.tenthUs.toFixed(0)} µs on the mean if one of ten is, ${report.tracing.unsampledUs.toFixed(0)} µs if none is. Of what ingress and workers
used for a request of the loads above, if those were measured on a machine as busy:

| load | all sampled | one of ten | none |
|---|---|---|---|
${report.cases.map(each => tracedRow(each, report.tracing)).join('\n')}

While tracing is off, nothing of it is loaded.

${report.encryption === undefined ? '' : renderEncryption(report.encryption)}

${report.console === undefined ? '' : renderConsole(report.console)}

## Simulator
${renderSpeed(report.simulated)}

${renderParity(report.parity)}

## Dispatch
What the rules are worth: [the race](race.md) against SGLang's router on the same engines, and [the simulator](simulator.md)
with every policy and an oracle.
`;
}

function renderConsole({ workers, queued, queues, seconds, pages, consoleCpu }: ConsoleFigures): string {
  return `## Console with a large fleet
${workers.toLocaleString('en')} workers, each with other numbers once a second, and ${queued.toLocaleString('en')} requests waiting in ${queues} queues; ${pages.length} pages open
at once in Chromium for ${seconds} s on this machine, without a graphics card. A page in front is told four times a second, any other once. Tasks are those of
the page's thread: what lasts longer than 50 ms is felt. Where the machine runs other things too (its load average is above), the clock tells of these, and a
page that was held up has several updates to take in at once. The console process used ${(100 * consoleCpu).toFixed(0)} % of a core.

| page | updates | bytes each | tasks over 50 ms by the clock (longest) | by the CPU time of the thread (longest) | thread busy | errors |
|---|---|---|---|---|---|---|
${pages.map(pageRow).join('\n')}`;
}

function pageRow({ name, updates, bytes, clock, cpu, errors }: PageFigures): string {
  const long = ({ long: count, longestMs }: typeof clock) => `${count} (${longestMs.toFixed(0)} ms)`;
  const cells = [name, updates, bytes.toLocaleString('en'), long(clock), long(cpu)];
  return `| ${[...cells, `${(100 * cpu.share).toFixed(0)} %`, errors].join(' | ')} |`;
}

function renderParity({ requests, shares, ttftMs }: ParityFigures): string {
  const kinds = shares.map(({ slowdown, really, simulated }) => {
    const kind = slowdown === 1 ? 'fast engines' : `engines ${slowdown} times slower`;
    return `the ${kind} got ${really.toFixed(2)} of them really and ${simulated.toFixed(2)} simulated`;
  });
  return `The same ${requests} requests on real processes and in the simulator, each left to decide for itself: ${kinds.join(', ')}; median time
to the first token ${ttftMs.really.toFixed(0)} ms really and ${ttftMs.simulated.toFixed(0)} ms simulated, on the engines' timeline. What real processes are late with is in it.`;
}

function tracedRow({ name, cpuUs }: BenchCase, cost: TracingCost): string {
  const share = (us: number) => `${((100 * us) / (cpuUs.ingress + cpuUs.workers)).toFixed(1)} %`;
  return `| ${name} | ${share(cost.sampledUs)} | ${share(cost.tenthUs)} | ${share(cost.unsampledUs)} |`;
}

function machineOf({ cpu, cores, node, loadAverage }: Machine): string {
  const busy = loadAverage === undefined ? '' : `, load average ${loadAverage.toFixed(1)} before it began`;
  return `${cores} × ${cpu}, Node ${node}${busy}`;
}

function aloneOf({ alone }: BenchReport): string {
  const parts = Object.entries(alone).map(([name, machine]) => `\n- \`${name}\`: ${machineOf(machine)}`);
  return parts.length === 0
    ? ''
    : `\n\nMeasured again since, each alone (\`npm run bench -- NAME\`):\n${parts.join('')}`;
}

function rowOf({ name, tries, medianMs, maxMs }: Reaction): string {
  return `| ${name} | ${tries} | ${durationOf(medianMs)} | ${durationOf(maxMs)} |`;
}

function durationOf(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function latencyOf({ firstByteP50Ms, firstByteP99Ms }: Figures): string {
  return `${firstByteP50Ms.toFixed(2)} / ${firstByteP99Ms.toFixed(2)}`;
}

function latencies({ p50Ms, p99Ms, lost }: LatencyFigures): string {
  const missing = lost === 0 ? '' : ` (${lost} never came)`;
  return `${p50Ms.toFixed(0)} / ${p99Ms.toFixed(0)} ms${missing}`;
}
