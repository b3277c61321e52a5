import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlSubject } from './control-address.ts';

test('the subjects of control messages are those that older versions know', () => {
  assert.equal(controlSubject({ kind: 'heartbeat', region: 'eu', worker: 'w-1' }), 'hb.eu.w-1');
  assert.equal(controlSubject({ kind: 'heartbeats', region: 'eu' }), 'hb.eu.*');
  assert.equal(controlSubject({ kind: 'ingress_status', region: 'eu', ingress: 'in-1' }), 'st.eu.in-1');
  assert.equal(controlSubject({ kind: 'ingress_statuses', region: 'eu' }), 'st.eu.*');
  assert.equal(controlSubject({ kind: 'doors', region: 'eu', ingress: 'in-1' }), 'door.eu.in-1');
  assert.equal(controlSubject({ kind: 'all_doors', region: 'eu' }), 'door.eu.*');
  assert.equal(controlSubject({ kind: 'worker', worker: 'w-1' }), 'ctl.worker.w-1');
  assert.equal(controlSubject({ kind: 'ingress', ingress: 'in-1' }), 'ctl.ingress.in-1');
  assert.equal(controlSubject({ kind: 'run_ended', region: 'eu' }), 'done.eu');
});

test('no other text than a token becomes part of a subject', () => {
  for (const worker of ['', 'a.b', '*', '>', 'x'.repeat(49)])
    assert.throws(() => controlSubject({ kind: 'worker', worker }), worker);
});
