/** The workers of a region as rows: from their heartbeats, and from how those change. */

import type { Member } from '@penstock/fleet';
import { HEARTBEAT_MS } from '@penstock/policy';
import type { Clock } from '@penstock/runtime';
import type { WorkerRow, WorkerState } from '../shared/region-state.ts';
import { byName } from '../shared/words.ts';

/** A heartbeat that is as late as this is worth a word, ms. */
const QUIET_AFTER_MS = 2 * HEARTBEAT_MS;

interface Output {
  readonly incarnation: string;
  readonly at: number;
  readonly tokens: number;
  readonly perS: number;
}

export class WorkerRows {
  readonly #clock: Clock;
  /** By worker. */
  #outputs = new Map<string, Output>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  rows(members: Iterable<Readonly<Member>>): Record<string, WorkerRow> {
    const outputs = new Map<string, Output>();
    const rows: [string, WorkerRow][] = [];
    for (const member of members) {
      const output = this.#outputOf(member);
      if (output !== null) outputs.set(member.worker, output);
      rows.push([member.worker, this.#row(member, output)]);
    }
    this.#outputs = outputs;
    return Object.fromEntries(rows.sort(byName));
  }

  #row({ heartbeat, seenAt, lost, quote }: Readonly<Member>, output: Output | null): WorkerRow {
    const { models, shard, slots, report } = heartbeat;
    const now = this.#clock.monotonic();
    const silentMs = now - seenAt;
    const waitS = Math.max(0, quote.waitS - (now - quote.at) / 1000);
    return {
      state: lost ? 'silent' : stateOf(heartbeat),
      models: models.map(model => model.name).sort(),
      ...{ shard, slots, waitS: rounded(waitS), tokensPerSec: Math.round(quote.tokensPerSec) },
      ...(report === undefined
        ? {}
        : { running: report.running, errorRate: rounded(report.errorRate), bids: report.bids }),
      ...(report?.kvUse == null ? {} : { kvUse: rounded(report.kvUse) }),
      ...(output === null ? {} : { outputPerS: Math.round(lost ? 0 : output.perS) }),
      ...(silentMs > QUIET_AFTER_MS ? { silentS: Math.round(silentMs / 1000) } : {}),
    };
  }

  #outputOf({ worker, heartbeat, seenAt }: Readonly<Member>): Output | null {
    const { incarnation, report } = heartbeat;
    if (report === undefined) return null;
    const before = this.#outputs.get(worker);
    const { outputTokens: tokens } = report;
    const isSame = before?.incarnation === incarnation;
    if (!isSame || before === undefined) return { incarnation, at: seenAt, tokens, perS: 0 };
    // Heartbeats also come between the seconds, where something changed.
    if (seenAt - before.at < HEARTBEAT_MS / 2) return before;
    const perS = (1000 * Math.max(0, tokens - before.tokens)) / (seenAt - before.at);
    return { incarnation, at: seenAt, tokens, perS };
  }
}

function stateOf({ pulling, slots, report }: Member['heartbeat']): WorkerState {
  const resting = report?.resting;
  if (!pulling) return resting === 'drained' || resting === 'draining' ? resting : 'sick';
  const running = report?.running ?? 0;
  if (running >= slots) return 'full';
  return running > 0 ? 'working' : 'idle';
}

/** Two digits that count are enough to look at, and change less often. */
function rounded(value: number): number {
  return Number(value.toPrecision(2));
}
