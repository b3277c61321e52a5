import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTenant, isTenantOfKey, tenantOfKey, tenantOfNew } from './tenant.ts';
import { configuredWebhooks } from './webhooks/requests.ts';

test('projects and configured keys name tenants, each in its form, and nothing else does', () => {
  const ofKey = tenantOfKey('sk-configured');
  const ofNew = tenantOfNew('a2b3');
  assert.deepEqual([ofKey, ofNew].map(isTenant), [true, true]);
  assert.deepEqual([ofKey, ofNew].map(isTenantOfKey), [true, false]);
  for (const none of [
    '',
    'proj',
    'proj_A',
    'proj_a.b',
    ofKey.toUpperCase(),
    `${ofKey}0`,
    `proj_${'a'.repeat(60)}`,
  ])
    assert.ok(!isTenant(none), none);
});

test("an operator's webhook is of a project, whichever form its id has", () => {
  const hook = (tenant: string) => [{ tenant, url: 'https://a.b', secret: `whsec_${'A'.repeat(32)}` }];
  assert.equal(configuredWebhooks.parse(hook('proj_a2b3'))[0]?.tenant, 'proj_a2b3');
  assert.equal(configuredWebhooks.parse(hook('0123456789abcdef'))[0]?.tenant, '0123456789abcdef');
  assert.match(
    configuredWebhooks.safeParse(hook('search')).error?.message ?? '',
    /the id of a project: proj_/,
  );
});
