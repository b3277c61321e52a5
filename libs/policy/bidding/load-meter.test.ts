import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadMeter, type MeteredRequest } from './load-meter.ts';

const READINGS = { running: 1, slots: 8, kvUse: null, kvCapacity: 10_000, errorRate: 0 };
const REQUEST: MeteredRequest = { promptTokens: 1000, heldTokens: 0, kvTokens: 1500, silent: false };

test('a request is backlog until its first token, and takes KV memory until its end', () => {
  const meter = new LoadMeter();
  meter.begin('a', REQUEST, 0);
  assert.equal(meter.load(READINGS, 10).prefillBacklogTokens, 1000);
  assert.equal(meter.load(READINGS, 10).kvFreeTokens, 8500);
  assert.equal(
    meter.load({ ...READINGS, kvPending: 2000 }, 10).kvFreeTokens,
    6500,
    'nor for what is about to run',
  );
  meter.firstToken('a', 100);
  assert.equal(meter.load(READINGS, 110).prefillBacklogTokens, 0);
  assert.equal(meter.load(READINGS, 110).kvFreeTokens, 8500);
  meter.end('a', REQUEST.kvTokens);
  assert.equal(meter.load(READINGS, 120).kvFreeTokens, 10_000);
});

test('a request that ends without a first token leaves no backlog and teaches no rate', () => {
  const meter = new LoadMeter();
  meter.begin('a', REQUEST, 0);
  meter.end('a', REQUEST.kvTokens);
  assert.equal(meter.load(READINGS, 10).prefillBacklogTokens, 0);
  assert.equal(meter.learnedRate, 0);
});

test('what the cache holds is neither prefilled nor counted as put into it', () => {
  const meter = new LoadMeter(50);
  meter.begin('a', { ...REQUEST, heldTokens: 900 }, 0);
  assert.equal(meter.load(READINGS, 0).prefillBacklogTokens, 100);
  assert.equal(meter.cacheTokens, 150);
  meter.begin('b', { ...REQUEST, heldTokens: 2000 }, 0);
  assert.equal(meter.cacheTokens, 150);
});

test('a restarted engine counts on from a higher number, whatever the clock says', () => {
  const meter = new LoadMeter(100);
  meter.emptied(5000);
  assert.equal(meter.cacheTokens, 5000);
  meter.emptied(10);
  assert.equal(meter.cacheTokens, 5001);
});

test('a quote names no rate before one was learned', () => {
  const meter = new LoadMeter();
  assert.deepEqual(meter.quote(0), { waitS: 0, tokensPerSec: 0, cacheTokens: 0 });
  meter.begin('a', REQUEST, 0);
  assert.ok(meter.quote(0).waitS > 0);
  meter.firstToken('a', 100);
  meter.load(READINGS, 200);
  assert.equal(meter.quote(200).tokensPerSec, meter.learnedRate);
  assert.ok(meter.learnedRate > 0);
});

test('the load is the share of time lately worked, and fades while nothing comes', () => {
  const meter = new LoadMeter();
  assert.equal(meter.worked(0), 0);
  meter.begin('a', { ...REQUEST, promptTokens: 20_000 }, 1000);
  const busy = meter.worked(1000);
  assert.ok(busy > 0);
  assert.ok(meter.worked(60_000) < busy);
});

test('the length of answers is learned, and an unknown one teaches nothing', () => {
  const meter = new LoadMeter();
  const before = meter.load(READINGS, 0).answerTokens;
  meter.answered(0);
  assert.equal(meter.load(READINGS, 0).answerTokens, before);
  meter.answered(before * 10);
  assert.ok(meter.load(READINGS, 0).answerTokens > before);
});
