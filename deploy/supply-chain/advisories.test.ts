import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAudit } from './advisories.ts';

test('each known vulnerability is told once, however many packages have it through another', () => {
  const advisory = {
    ...{ source: 1, name: 'qs', dependency: 'qs', title: 'it can be made slow', severity: 'high' },
    ...{ url: 'https://github.com/advisories/GHSA-1', range: '<6.2.4' },
  };
  const report = {
    auditReportVersion: 2,
    vulnerabilities: {
      express: { name: 'express', severity: 'high', via: ['qs', 'body-parser'] },
      'body-parser': { name: 'body-parser', severity: 'high', via: [advisory] },
      qs: { name: 'qs', severity: 'high', via: [advisory] },
    },
    metadata: { dependencies: { prod: 3, total: 70 } },
  };
  const { name, title, severity, url, range } = advisory;
  assert.deepEqual(readAudit(JSON.stringify(report)), {
    ...{ kind: 'checked', packages: 70, found: [{ name, title, severity, url, range }] },
  });
  const none = { vulnerabilities: {}, metadata: { dependencies: { total: 70 } } };
  assert.deepEqual(readAudit(JSON.stringify(none)), { kind: 'checked', packages: 70, found: [] });
});

test('a registry that cannot be asked is not one that knows of nothing', () => {
  const refused = { message: '405 Method Not Allowed - POST https://x/bulk\nmore', error: { summary: '' } };
  for (const [said, why] of [
    [JSON.stringify(refused), '405 Method Not Allowed - POST https://x/bulk'],
    [JSON.stringify({ error: { code: 'ENOTFOUND', summary: 'no such host' } }), 'no such host'],
    ['', 'npm said nothing that can be read'],
    ['{}', 'npm gave no reason'],
  ] as const)
    assert.deepEqual(readAudit(said), { kind: 'unreachable', why });
});
