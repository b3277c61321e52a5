import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupSeen, ScaleDecision } from './decision.ts';
import { GroupScaler } from './group-scaler.ts';
import { DEFAULT_RULES, type PoolRules, type ScalingRules } from './rules.ts';

const EVERY_S = 5;

const pool = (more: Partial<PoolRules> = {}): PoolRules => ({
  ...{ name: 'gpu', models: ['m'], slots: 10, speed: 1, pricePerHour: 1, startS: 60 },
  ...{ least: 0, most: 1000, zeroAfterS: 600, schedule: [] },
  ...more,
});

interface Moment {
  readonly arrivalsPerS: number;
  readonly waiting?: number;
  readonly oldestS?: number;
  readonly batch?: number;
  readonly ageS?: number;
}

/** A fleet that does at once what it is told, apart from the time its workers take to start. A request keeps its slot for 10 s. */
class Fleet {
  readonly #scaler: GroupScaler;
  readonly #pools: readonly PoolRules[];
  readonly #startsInS: number;
  #starting: { pool: string; at: number }[] = [];
  readonly ready: Record<string, number> = {};
  now = 0;
  #begun = 0;
  readonly log: ScaleDecision[] = [];

  constructor(pools: readonly PoolRules[], rules: Partial<ScalingRules> = {}, startsInS = 60) {
    this.#pools = pools;
    this.#scaler = new GroupScaler(pools, { ...DEFAULT_RULES, ...rules });
    this.#startsInS = startsInS;
    for (const { name } of pools) this.ready[name] = 0;
  }

  get workers(): number {
    return this.#pools.reduce((sum, { name }) => sum + this.count(name), 0);
  }

  count(name: string): number {
    return (this.ready[name] ?? 0) + this.#startingOf(name);
  }

  #startingOf(name: string): number {
    return this.#starting.filter(each => each.pool === name).length;
  }

  run(s: number, moment: (s: number) => Moment, budget = Number.POSITIVE_INFINITY): this {
    for (const end = this.now + s; this.now < end; this.now += EVERY_S) this.step(moment(this.now), budget);
    return this;
  }

  step(moment: Moment, budget = Number.POSITIVE_INFINITY): ScaleDecision {
    for (const { pool: name } of this.#starting.filter(({ at }) => at <= this.now))
      this.ready[name] = (this.ready[name] ?? 0) + 1;
    this.#starting = this.#starting.filter(({ at }) => at > this.now);
    const { arrivalsPerS, waiting = 0, oldestS = 0, batch = 0, ageS = 0 } = moment;
    const slots = this.#pools.reduce((sum, { name, slots }) => sum + (this.ready[name] ?? 0) * slots, 0);
    const running = Math.min(slots, arrivalsPerS * 10);
    this.#begun += (running / 10) * EVERY_S;
    const seen: GroupSeen = {
      pools: Object.fromEntries(
        this.#pools.map(({ name, slots: own }) => [
          name,
          {
            ready: this.ready[name] ?? 0,
            starting: this.#startingOf(name),
            running: slots === 0 ? 0 : (running * (this.ready[name] ?? 0) * own) / slots,
          },
        ]),
      ),
      lanes: {
        interactive: { waiting, oldestS },
        background: { waiting: 0, oldestS: 0 },
        batch: { waiting: batch, oldestS: 0 },
      },
      ...{ begun: this.#begun, ageS },
    };
    const decision = this.#scaler.decide({
      now: 1000 * this.now,
      seen,
      startS: () => this.#startsInS,
      budget,
    });
    this.log.push(decision);
    for (const [name, wanted] of Object.entries(decision.workers)) this.#become(name, wanted);
    return decision;
  }

  #become(name: string, wanted: number): void {
    for (let n = this.count(name); n < wanted; n++)
      this.#starting.push({ pool: name, at: this.now + this.#startsInS });
    for (let n = this.count(name); n > wanted; n--) {
      const last = this.#starting.findLastIndex(each => each.pool === name);
      if (last === -1) this.ready[name] = (this.ready[name] ?? 0) - 1;
      else this.#starting.splice(last, 1);
    }
  }
}

const steady = (arrivalsPerS: number) => () => ({ arrivalsPerS });
const reasons = (log: readonly ScaleDecision[]) => log.map(({ reason }) => reason);

/** A fleet that has found its size. */
function settled(arrivalsPerS: number, pools = [pool()], rules: Partial<ScalingRules> = {}): Fleet {
  const fleet = new Fleet(pools, rules);
  fleet.step({ arrivalsPerS: 0, waiting: 1, oldestS: 0 });
  fleet.run(1800, () => {
    const slots = pools.reduce((sum, { name, slots }) => sum + (fleet.ready[name] ?? 0) * slots, 0);
    const short = Math.max(0, arrivalsPerS * 10 - slots);
    return { arrivalsPerS, waiting: short, oldestS: short > 0 ? 3 : 0 };
  });
  fleet.log.length = 0;
  return fleet;
}

test('a constant load gets headroom of about its root, and never more workers or fewer again', () => {
  for (const arrivalsPerS of [0.5, 3, 20, 150]) {
    const fleet = settled(arrivalsPerS).run(3600, steady(arrivalsPerS));
    const changes = fleet.log.filter(({ kind }) => kind !== 'keep');
    assert.ok(changes.length <= 2 + fleet.workers / 4, `${arrivalsPerS}/s: ${changes.length} changes`);
    assert.ok(changes.every(({ kind }) => kind === 'down'));
    const load = 10 * arrivalsPerS;
    const right = Math.ceil(Math.max(load + 1.5 * Math.sqrt(load), load / 0.95) / 10);
    // What the late start has taught is still there.
    assert.ok(
      fleet.workers >= right - 1 && fleet.workers <= 1.03 * right + 1,
      `${fleet.workers} for ${right}`,
    );
  }
});

test('what grows steadily is met by workers that have started by then', () => {
  const fleet = settled(20);
  let isMet = true;
  fleet.run(1200, s => {
    const arrivalsPerS = 20 + Math.max(0, s - 1805) * 0.01;
    isMet &&= (fleet.ready['gpu'] ?? 0) * 10 >= arrivalsPerS * 10;
    return { arrivalsPerS };
  });
  assert.ok(isMet);
  assert.ok(reasons(fleet.log).includes('load'));
});

test('more load never means fewer workers', () => {
  let before = 0;
  for (let arrivalsPerS = 5; arrivalsPerS < 100; arrivalsPerS += 5) {
    const { workers } = settled(arrivalsPerS);
    assert.ok(workers >= before, `${arrivalsPerS}/s`);
    before = workers;
  }
  let waitingBefore = 0;
  for (const waiting of [0, 1, 10, 100, 1000]) {
    const fleet = settled(20);
    fleet.step({ arrivalsPerS: 20, waiting, oldestS: 1 });
    assert.ok(fleet.workers >= waitingBefore);
    waitingBefore = fleet.workers;
  }
});

test('figures that are old change nothing, whatever they say', () => {
  const fleet = settled(20);
  const { workers } = fleet;
  fleet.run(3600, () => ({ arrivalsPerS: 0, waiting: 900, oldestS: 60, ageS: 16 }));
  assert.equal(fleet.workers, workers);
  assert.deepEqual([...new Set(reasons(fleet.log))], ['stale']);
  assert.equal(fleet.step({ arrivalsPerS: 20 }).kind, 'keep');
});

test('workers that start count: nothing is ordered twice', () => {
  const fleet = settled(10);
  const first = fleet.step({ arrivalsPerS: 10, waiting: 60, oldestS: 3 });
  assert.equal(first.kind, 'up');
  assert.equal(first.reason, 'panic');
  const ordered = fleet.workers;
  fleet.now += EVERY_S;
  fleet.step({ arrivalsPerS: 10, waiting: 60, oldestS: 4 });
  assert.equal(fleet.workers, ordered);
});

test('a request that has used half its patience calls for a slot of its own for everything that waits', () => {
  const calm = settled(20).step({ arrivalsPerS: 20, waiting: 100, oldestS: 2.4 });
  assert.notEqual(calm.reason, 'panic');
  const panic = settled(20).step({ arrivalsPerS: 20, waiting: 100, oldestS: 2.6 });
  assert.deepEqual([panic.kind, panic.reason], ['up', 'panic']);
  assert.ok(panic.inputs.forBacklog >= 100);
});

test('a backlog of hours costs what it needs, not a worker for each request', () => {
  const fleet = settled(20);
  const { workers } = fleet;
  fleet.step({ arrivalsPerS: 20, batch: 5000 });
  assert.ok(fleet.workers - workers <= 2, `${fleet.workers - workers} more`);
  // 5,000 requests of 10 s in an hour are 14 slots more or less, whatever is free.
  const hurried = settled(20, [pool()], { batchS: 3660 });
  const decision = hurried.step({ arrivalsPerS: 20, batch: 50_000 });
  assert.equal(decision.reason, 'backlog');
  assert.ok(Math.abs(decision.inputs.forBacklog - 139) < 5, `${decision.inputs.forBacklog}`);
});

test('after a peak workers stay for a while, then go by the tenth', () => {
  const fleet = settled(100);
  const peak = fleet.workers;
  fleet.run(240, steady(20));
  assert.equal(fleet.workers, peak);
  assert.ok(reasons(fleet.log).includes('holding'));
  fleet.run(3600, steady(20));
  assert.ok(fleet.workers < 0.3 * peak);
  for (let i = 12; i < fleet.log.length; i++) {
    const count = (decision: ScaleDecision | undefined) => decision?.workers['gpu'] ?? 0;
    const [before, after] = [count(fleet.log[i - 12]), count(fleet.log[i])];
    assert.ok(before - after <= Math.max(1, Math.ceil(0.1 * before)), `${before} to ${after} in a minute`);
  }
});

test('never fewer than what runs needs', () => {
  const fleet = settled(50);
  fleet.run(7200, s => ({ arrivalsPerS: 25 + 25 * Math.sin(s / 400) }));
  for (const { workers, inputs } of fleet.log)
    assert.ok((workers['gpu'] ?? 0) * 10 >= Math.min(inputs.capacity, inputs.forLoad) - 10);
});

test('the last worker goes once nothing came for long, and the first message brings one', () => {
  const fleet = settled(2);
  fleet.run(550, steady(0));
  assert.ok(fleet.workers >= 1);
  fleet.run(300, steady(0));
  assert.equal(fleet.workers, 0);
  assert.ok(reasons(fleet.log).includes('idle'));
  fleet.run(3600, steady(0));
  assert.equal(fleet.workers, 0);
  const first = fleet.step({ arrivalsPerS: 0, waiting: 1, oldestS: 0.1 });
  assert.deepEqual([first.kind, first.reason, fleet.workers], ['up', 'first_message', 1]);
});

test('batch work wakes a pool, too', () => {
  const fleet = new Fleet([pool()]);
  fleet.run(3600, steady(0));
  assert.equal(fleet.step({ arrivalsPerS: 0, batch: 1 }).reason, 'first_message');
});

test('growth beyond what is plausible goes in steps of twice as many', () => {
  const fleet = settled(10);
  const { workers } = fleet;
  const rash = fleet.step({ arrivalsPerS: 10, waiting: 10_000, oldestS: 4 });
  assert.equal(rash.limit, 'step');
  assert.ok(fleet.workers <= 2 * workers + 4);
});

test('the cheapest pool grows first and the dearest shrinks first, by what a slot of their speed costs', () => {
  const pools = [
    pool({ name: 'dear', pricePerHour: 3, most: 100 }),
    pool({ name: 'fast', pricePerHour: 4, speed: 2, most: 3 }),
  ];
  const fleet = settled(20, pools);
  assert.equal(fleet.count('fast'), 3);
  assert.ok(fleet.count('dear') > 10);
  fleet.run(7200, steady(2));
  assert.deepEqual([fleet.count('fast') > 0, fleet.count('dear')], [true, 0]);
});

test('pools that are full, and a budget that is spent, are told as such', () => {
  assert.equal(
    settled(50, [pool({ most: 5 })]).step({ arrivalsPerS: 50, waiting: 100, oldestS: 4 }).limit,
    'most',
  );
  const fleet = new Fleet([pool({ pricePerHour: 2 })]);
  fleet.run(1800, () => ({ arrivalsPerS: 50, waiting: 100, oldestS: 4 }), 20);
  assert.equal(fleet.workers, 10);
  assert.equal(fleet.log.at(-1)?.limit, 'budget');
  fleet.run(900, () => ({ arrivalsPerS: 50, waiting: 100, oldestS: 4 }), 10);
  assert.equal(fleet.workers, 5);
  assert.ok(reasons(fleet.log).includes('over_budget'));
});

test('workers are there when a time of the schedule begins', () => {
  const morning = { days: [], from: 60, to: 120, zone: 'UTC', least: 8 };
  const fleet = new Fleet([pool({ schedule: [morning] })]);
  fleet.run(3540, steady(0));
  assert.equal(fleet.ready['gpu'], 0);
  fleet.run(120, steady(0));
  assert.equal(fleet.ready['gpu'], 8);
  assert.ok(reasons(fleet.log).includes('bounds'));
  fleet.run(7200, steady(0));
  assert.equal(fleet.workers, 0);
});

test('random loads never make it jump: no change beyond a step, none below the bounds', () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  for (let round = 0; round < 20; round++) {
    const least = Math.floor(3 * random());
    const fleet = new Fleet([pool({ least, most: 60 })]);
    let before = 0;
    for (let i = 0; i < 500; i++, fleet.now += EVERY_S) {
      const ageS = random() < 0.1 ? 60 : 0;
      const decision = fleet.step({
        arrivalsPerS: 60 * random() ** 3,
        waiting: 200 * random() ** 6,
        oldestS: 6 * random(),
        ageS,
      });
      const after = fleet.workers;
      assert.ok(after <= Math.max(2 * before, before + 4) && after <= 60);
      assert.ok(before - after <= Math.max(1, Math.ceil(0.1 * before)));
      if (ageS > 0) assert.equal(after, before);
      else assert.ok(after >= least, `${after} of ${least}: ${decision.reason}`);
      before = after;
    }
  }
});

test('workers that do not come are not counted on: another pool makes up for them, and no more are ordered there', () => {
  const pools = [pool({ name: 'broken' }), pool({ name: 'other', pricePerHour: 2 })];
  const scaler = new GroupScaler(pools, DEFAULT_RULES);
  const none = { waiting: 0, oldestS: 0 };
  const decide = (overdue: number) =>
    scaler.decide({
      now: 5000,
      seen: {
        pools: {
          broken: { ready: 1, starting: 4, overdue, running: 10 },
          other: { ready: 0, starting: 0, running: 0 },
        },
        lanes: { interactive: { waiting: 20, oldestS: 4 }, background: none, batch: none },
        ...{ begun: null, ageS: 0 },
      },
      startS: () => 60,
      budget: Number.POSITIVE_INFINITY,
    }).workers;
  const workers = decide(4);
  assert.equal(workers['broken'], 5);
  assert.ok((workers['other'] ?? 0) >= 2);
});
