import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { applyPatch } from '../shared/merge-patch.ts';
import type { RegionState, Sample } from '../shared/region-state.ts';
import { Live } from './live.ts';

interface Event {
  readonly event: string;
  readonly id: string;
  readonly data: { state?: RegionState; patch?: object; samples: Sample[] };
}

/** A response whose reader can stop taking what it is sent. */
class Out extends EventEmitter {
  readonly events: Event[] = [];
  takes = true;
  ended = false;
  write(text: string): boolean {
    const fields = Object.fromEntries(
      text
        .trim()
        .split('\n')
        .map(line => line.split(/: (.*)/s)),
    );
    this.events.push({ event: fields['event'], id: fields['id'], data: JSON.parse(fields['data']) });
    return this.takes;
  }
  end(): void {
    this.ended = true;
    this.emit('close');
  }
}

function startLive() {
  let at = 0;
  const samples: Sample[] = [];
  const look = () => ({ at, workers: { a: { n: Math.floor(at / 1000) } } }) as unknown as RegionState;
  const source = {
    look,
    sample: (state: RegionState) => void samples.push([state.at]),
    history: { samples, samplesAfter: (time: number) => samples.filter(([t]) => (t ?? 0) > time) },
  };
  const live = new Live(source, 'e1');
  const join = (after = '', everyLook = false, isWelcome = () => true) => {
    const out = new Out();
    live.add(out as unknown as ServerResponse, after, everyLook, isWelcome);
    return out;
  };
  /** @param looks at 4 a second. */
  const pass = (looks: number) => {
    for (let i = 0; i < looks; i++) {
      at += 250;
      live.tick();
    }
  };
  return { live, join, pass, look, samples };
}

/** What a page has after these events. */
function followed(events: readonly Event[]): { state: unknown; samples: Sample[] } {
  let state: unknown = null;
  const samples: Sample[] = [];
  for (const { event, data } of events) {
    if (event === 'snapshot') samples.length = 0;
    state = event === 'snapshot' ? data.state : applyPatch(state, data.patch);
    samples.push(...data.samples);
  }
  return { state, samples };
}

test('a reader gets a snapshot and then what changes: once a second, or four times where it is in front', () => {
  const { join, pass, look, samples } = startLive();
  const [calm, eager] = [join(), join('', true)];
  pass(8);
  assert.deepEqual([calm.events.length, eager.events.length], [3, 9]);
  assert.deepEqual(
    calm.events.map(({ event }) => event),
    ['snapshot', 'delta', 'delta'],
  );
  for (const { events } of [calm, eager]) assert.deepEqual(followed(events), { state: look(), samples });
});

test('a reader that comes back goes on from what it has seen, at whatever pace', () => {
  const { live, join, pass, look, samples } = startLive();
  const first = join();
  pass(9);
  const { id = '' } = first.events.at(-1) ?? {};
  first.end();
  assert.equal(live.readers, 0);
  pass(7);
  const again = join(id, true);
  assert.equal(again.events[0]?.event, 'delta');
  assert.deepEqual(followed([...first.events, ...again.events]), { state: look(), samples });
});

test('a reader that nobody remembers, or of another process, begins anew', () => {
  const { join, pass } = startLive();
  pass(4);
  for (const after of ['e0.4', 'e1.9999', 'e1.', 'x', '4'])
    assert.equal(join(after).events[0]?.event, 'snapshot', after);
  assert.equal(join('e1.4').events[0]?.event, 'delta');
  pass(4 * 200);
  assert.equal(join('e1.4').events[0]?.event, 'snapshot', 'too long ago');
});

test('a slow reader is sent nothing while it takes nothing, and then all that changed, once', () => {
  const { join, pass, look, samples } = startLive();
  const out = join();
  out.takes = false;
  pass(4);
  const sent = out.events.length;
  pass(40);
  assert.equal(out.events.length, sent);
  out.takes = true;
  out.emit('drain');
  pass(4);
  assert.equal(out.events.length, sent + 1);
  assert.deepEqual(followed(out.events), { state: look(), samples });
});

test('a reader whose login is over is let go', () => {
  const { live, join, pass } = startLive();
  let isWelcome = true;
  const out = join('', false, () => isWelcome);
  pass(4);
  isWelcome = false;
  pass(1);
  assert.equal(out.ended || live.readers === 1, true);
  pass(4);
  assert.deepEqual([out.ended, live.readers], [true, 0]);
});
