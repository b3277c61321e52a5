import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXPLANATIONS } from './explanations.ts';
import { conformancePage, unexplained } from './page.ts';
import type { CaseResult, SuiteResult } from './suite.ts';

const suite = 'openai-python';
const [known = ''] = Object.keys(EXPLANATIONS[suite] ?? {});
const result = (...cases: CaseResult[]): SuiteResult => ({ suite, judge: 'judge 1.0', unit: 'calls', cases });
const explained = Object.keys(EXPLANATIONS[suite] ?? {}).map(
  (name): CaseResult => ({ name, status: 'failed', detail: 'broken' }),
);

test('a failure needs a reason, and a reason a failure', () => {
  assert.deepEqual(unexplained([result(...explained)]), []);
  const news: CaseResult = { name: 'news', status: 'failed', detail: 'broken' };
  assert.match(
    unexplained([result(...explained, news)])[0] ?? '',
    /news failed, and nobody says why: broken/,
  );
  const mended = explained.map(each => ({ ...each, status: 'passed' as const, detail: '' }));
  assert.ok(unexplained([result(...mended)])[0]?.includes('explained but passes'));
});

test('the page counts, and tells why', () => {
  const results = [result(...explained, { name: 'fine', status: 'passed', detail: '' })];
  const page = conformancePage([{ name: 'api', set: { title: 'Suites', notes: 'Run here.' }, results }]);
  assert.ok(page.includes(`| judge 1.0 | calls | 1 | ${explained.length} | 0 |`));
  assert.ok(page.includes(`| \`${known}\` | failed | ${EXPLANATIONS[suite]?.[known]} |`));
  assert.ok(!page.includes('fine'));
});
