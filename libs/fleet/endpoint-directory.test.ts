import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, queueOf } from '@penstock/protocol';
import { fleetAt, heartbeatOf, modelOf } from './fleet.fixture.ts';

function startFleet() {
  const time = { now: 0, rand: 0 };
  const fleet = fleetAt(time);
  const hear = (worker: string, endpoints: Endpoint[], some = {}) =>
    fleet.hear(heartbeatOf({ worker, models: [{ ...modelOf('m'), endpoints }], ...some }));
  return { fleet, time, hear };
}
const model = (...endpoints: Endpoint[]) => ({ ...modelOf('m'), endpoints });

test('a request goes to the queue of the workers that have its endpoint', () => {
  const { fleet, hear } = startFleet();
  hear('w-1', ['chat']);
  hear('w-2', ['chat', 'rerank']);
  const known = model('chat');
  assert.equal(fleet.queueFor(known, 'chat'), 'm');
  assert.equal(fleet.queueFor(known, 'rerank'), queueOf(model('chat', 'rerank'), 'rerank'));
  assert.equal(fleet.queueFor(known, 'score'), null);
  assert.deepEqual(fleet.endpointsOf(known), ['chat', 'rerank']);
});

test('among different engines that have it, each gets requests by its slots; those that take nothing get none', () => {
  const { fleet, time, hear } = startFleet();
  hear('w-1', ['rerank'], { slots: 10 });
  hear('w-2', ['rerank', 'score'], { slots: 30 });
  hear('w-3', ['rerank', 'pooling'], { slots: 60, pulling: false });
  const [first, second] = [queueOf(model('rerank'), 'rerank'), queueOf(model('rerank', 'score'), 'rerank')];
  const chosen = [0, 0.2, 0.3, 0.99].map(rand => {
    time.rand = rand;
    return fleet.queueFor(model(), 'rerank');
  });
  assert.deepEqual(chosen, [first, first, second, second]);
});

test('what a worker loses with a restart of its engine is known with its next heartbeat', () => {
  const { fleet, hear } = startFleet();
  hear('w-1', ['chat', 'rerank']);
  assert.notEqual(fleet.queueFor(model(), 'rerank'), null);
  hear('w-1', ['chat']);
  assert.equal(fleet.queueFor(model(), 'rerank'), null);
});

test('while no worker of a model is there, what was last heard of it counts', () => {
  const { fleet } = startFleet();
  const known = model('chat', 'rerank');
  assert.equal(fleet.queueFor(known, 'rerank'), queueOf(known, 'rerank'));
  assert.equal(fleet.queueFor(known, 'score'), null);
  assert.deepEqual(fleet.endpointsOf(known), ['chat', 'rerank']);
});

test('an endpoint is everywhere while every worker that takes work has it', () => {
  const { fleet, hear } = startFleet();
  assert.equal(fleet.isEverywhere(model('messages'), 'messages'), false);
  hear('w-1', ['chat', 'messages']);
  assert.equal(fleet.isEverywhere(model(), 'messages'), true);
  hear('w-2', ['chat']);
  assert.equal(fleet.isEverywhere(model(), 'messages'), false);
  hear('w-2', ['chat'], { pulling: false });
  assert.equal(fleet.isEverywhere(model(), 'messages'), true);
});
