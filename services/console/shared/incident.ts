/** The state of a region in one sentence: what is late, where, and why. */
import type { QueueRow, RegionState, Severity, WorkerRow } from './region-state.ts';
import { count, percent, seconds } from './words.ts';

export type Incident = RegionState['incident'];

/** Under this share of requests within the target the sentence says so. */
const TARGET_SHARE = 0.99;
/** More models than this are counted, not named. */
const MOST_NAMED = 2;

/** The worst thing comes first; what is merely unusual comes behind it. */
export function incidentOf(state: Omit<RegionState, 'incident'>): Incident {
  if (state.broker === 'down')
    return { severity: 'late', text: 'The console has no connection to NATS: what it shows is old.' };
  const late = [...withoutNodes(state), ...withoutWorkers(state), ...lateModels(state)];
  const unusual = [...withoutAnyWorker(state), ...brokenWorkers(state), ...missedTarget(state)];
  const severity: Severity = late.length > 0 ? 'late' : unusual.length > 0 ? 'warn' : 'ok';
  const parts = [...late, ...unusual];
  return { severity, text: parts.length === 0 ? allWell(state) : parts.map(sentence).join(' ') };
}

function sentence(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}.`;
}

function withoutNodes({ ingress }: Omit<RegionState, 'incident'>): string[] {
  const nodes = Object.entries(ingress);
  if (nodes.length === 0) return ['no ingress node is heard, so no request is accepted'];
  const silent = nodes.filter(([, row]) => row.state === 'silent').map(([name]) => name);
  if (silent.length === 0) return [];
  if (silent.length === nodes.length) return ['no ingress node is heard any more, so no request is accepted'];
  return [`ingress ${named(silent)} ${silent.length === 1 ? 'is' : 'are'} silent`];
}

function queuesIn(state: Omit<RegionState, 'incident'>, kind: QueueRow['state']): QueueRow[] {
  return Object.values(state.queues)
    .filter(row => row.state === kind)
    .sort((a, b) => b.oldestS - a.oldestS || b.queued - a.queued);
}

function withoutWorkers(state: Omit<RegionState, 'incident'>): string[] {
  const rows = queuesIn(state, 'no_worker');
  const queued = rows.reduce((sum, row) => sum + row.queued, 0);
  const models = [...new Set(rows.map(row => row.model))];
  if (models.length === 0) return [];
  const waits = `${count(queued, 'request')} ${queued === 1 ? 'waits' : 'wait'}`;
  return [`${waits} for ${named(models)}, which no worker serves now`];
}

function lateModels(state: Omit<RegionState, 'incident'>): string[] {
  const rows = queuesIn(state, 'late');
  const models = new Set(rows.map(row => row.model));
  const [worst] = rows;
  if (worst === undefined) return [];
  const howMany = `${count(models.size, 'model')} ${models.size === 1 ? 'is' : 'are'} late`;
  return [`${howMany}: ${worst.model} waits ${seconds(worst.oldestS)}, ${whyLate(state, worst)}`];
}

function whyLate({ workers }: Omit<RegionState, 'incident'>, row: QueueRow): string {
  const mine = Object.values(workers).filter(worker => worker.models.includes(row.model));
  const among = (state: WorkerRow['state']) => mine.filter(worker => worker.state === state).length;
  const missing = (['silent', 'sick', 'drained', 'draining'] as const)
    .map(state => [among(state), state] as const)
    .filter(([n]) => n > 0)
    .map(([n, state]) => `${n} ${n === 1 ? 'is' : 'are'} ${state}`);
  const full =
    row.free > 0
      ? `although ${count(row.free, 'slot')} ${row.free === 1 ? 'is' : 'are'} free`
      : `its ${row.ready === 1 ? 'worker is' : `${row.ready} workers are`} full`;
  return [full, ...missing].join(', ');
}

function withoutAnyWorker({ workers }: Omit<RegionState, 'incident'>): string[] {
  return Object.keys(workers).length === 0 ? ['no worker is heard'] : [];
}

/** Of models that are on time: of the others they were named above. */
function brokenWorkers({ workers, queues }: Omit<RegionState, 'incident'>): string[] {
  const late = new Set(Object.values(queues).flatMap(row => (row.state === 'late' ? [row.model] : [])));
  const others = Object.entries(workers).filter(([, row]) => !row.models.some(model => late.has(model)));
  return (['silent', 'sick'] as const).flatMap(state => {
    const names = others.filter(([, row]) => row.state === state).map(([name]) => name);
    if (names.length === 0) return [];
    const who = names.length === 1 ? `worker ${names[0]} is` : `${count(names.length, 'worker')} are`;
    return [`${who} ${state}`];
  });
}

function missedTarget({ totals, targetTtftS }: Omit<RegionState, 'incident'>): string[] {
  const { inTarget } = totals;
  if (inTarget === undefined || inTarget >= TARGET_SHARE) return [];
  return [
    `only ${percent(inTarget)} of the last minute's requests had a first token within ${seconds(targetTtftS)}`,
  ];
}

function allWell({ workers, queues }: Omit<RegionState, 'incident'>): string {
  const heard = Object.keys(workers).length;
  const models = new Set(Object.values(queues).map(row => row.model)).size;
  return `All is well: ${count(heard, 'worker')}, ${count(models, 'model')}, ${whatWaits(queues)}.`;
}

/** The lower lanes wait for idle capacity, so it says nothing bad of a region that they do. */
function whatWaits(queues: RegionState['queues']): string {
  const rows = Object.values(queues).filter(row => row.queued > 0);
  if (rows.length === 0) return 'nothing waits';
  const calls = rows.filter(row => row.lane === 'interactive');
  const others = rows.reduce((sum, row) => sum + (row.lane === 'interactive' ? 0 : row.queued), 0);
  const longest = Math.max(...calls.map(row => row.oldestS));
  const said = calls.length === 0 ? 'no call waits' : `no call waits longer than ${seconds(longest)}`;
  if (others === 0) return said;
  return `${said}, ${count(others, 'request')} of lower lanes ${others === 1 ? 'waits' : 'wait'} for idle capacity`;
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMED).join(' and ');
  return names.length <= MOST_NAMED ? shown : `${names.slice(0, 1)} and ${names.length - 1} others`;
}
