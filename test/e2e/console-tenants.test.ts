/** The page of tenants as an operator sees it: in a browser, on a real stack. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { findings } from '../../testkit/browser/axe.ts';
import { ensureChromium, startBrowser } from '../../testkit/browser/chromium.ts';
import { ADMIN_KEY, startConsole } from '../../testkit/browser/console.ts';
import { chat, post, type Stack, startStack } from '../../testkit/stack.ts';

const chromium = await ensureChromium();
const skip = chromium === null && 'there is no chromium on the PATH, and only root may install it';
const ADMIN = 'an-admin-key-of-the-api';

let stack: Stack;
let operator: Awaited<ReturnType<typeof startConsole>>;
let browser: Awaited<ReturnType<typeof startBrowser>>;

before(async () => {
  if (chromium === null) return;
  const admin = {
    PENSTOCK_ADMIN_KEYS: ADMIN,
    PENSTOCK_KEY_PEPPER: 'pepper-of-the-tests-pepper-of-the-tests',
  };
  [stack, browser] = await Promise.all([
    startStack({ engines: [{}], ingressEnv: admin }),
    startBrowser(chromium),
  ]);
  operator = await startConsole(stack);
});

after(async () => {
  if (chromium === null) return;
  await browser[Symbol.asyncDispose]();
  await operator[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

async function openLoggedIn(options?: Parameters<typeof browser.open>[1]) {
  const opened = await browser.open(operator.url, options);
  await opened.page.getByLabel('Key').fill(ADMIN_KEY);
  await opened.page.keyboard.press('Enter');
  await opened.page.locator('.tiles').waitFor();
  await opened.page.goto(`${operator.url}/#/tenants`);
  return opened;
}

/** @returns a key of a new project with limits. */
async function keyOf(name: string, max_requests_per_1_day: number): Promise<string> {
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, adminAPIKey: ADMIN, apiKey: '-' });
  const { projects } = client.admin.organization;
  const { id: project_id } = await projects.create({ name });
  const limits = { max_requests_per_1_day, ...{ max_files: 3, max_budget: 5 } };
  await projects.rateLimits.updateRateLimit('rl-*', { project_id, ...limits });
  await projects.rateLimits.updateRateLimit('rl-sim-chat', { project_id, max_tokens_per_1_minute: 100_000 });
  const account = await projects.serviceAccounts.create(project_id, { name });
  return account.api_key?.value ?? assert.fail();
}

const ask = (key: string | undefined) =>
  post(stack, '/v1/chat/completions', chat('hi', { max_tokens: 1 }), {
    headers: { authorization: `Bearer ${key}` },
  });

test('what tenants use of their limits is shown, the fullest first, and what was refused', {
  skip,
}, async () => {
  const { page, errors } = await openLoggedIn();
  await page.getByText('No tenant has limits').waitFor();
  assert.deepEqual(await findings(page), []);
  const keys = await Promise.all([keyOf('Busy', 2), keyOf('Quiet', 50)]);
  for (const key of [...keys, keys[0], keys[0]]) await ask(key);
  await page.getByRole('rowheader', { name: 'Busy' }).waitFor();
  await page.getByText('1 tenant has reached a limit').waitFor();
  const rows = await page.locator('tbody tr').allTextContents();
  assert.match(
    rows[0] ?? '',
    /^\s*Busy proj_.*1 by rpd_limit.*\$0\.00 of \$5\.00.*0 of 3.*requests a day 2 of 2, full/s,
  );
  assert.match(rows[1] ?? '', /^\s*Quiet proj_.*none.*requests a day 1 of 50/s);
  assert.match(rows[1] ?? '', /tokens\/min of sim-chat \d+ of 100 k/);
  assert.deepEqual(await findings(page), []);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.deepEqual(await findings(page), []);
  await page.emulateMedia({ colorScheme: null, forcedColors: 'active' });
  assert.deepEqual(await findings(page), []);
  await page.emulateMedia({ forcedColors: null });
  await page.getByLabel('Filter').fill('quie');
  await page.getByRole('rowheader', { name: 'Busy' }).waitFor({ state: 'detached' });
  await page.getByLabel('Filter').fill('nobody');
  await page.getByText('There is none, or it has no limits.').waitFor();
  assert.deepEqual(await findings(page), []);
  assert.deepEqual(errors, []);
});

test('it fits a width of 320 pixels, and says where what is used cannot be read', { skip }, async () => {
  const { page } = await openLoggedIn({ viewport: { width: 320, height: 640 } });
  await page.getByRole('rowheader', { name: 'Quiet' }).waitFor();
  assert.deepEqual(await findings(page), []);
  assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
  await stack.redis.kill();
  await page.getByRole('alert').filter({ hasText: 'cannot be read now: is Redis there?' }).waitFor();
  assert.deepEqual(await findings(page), []);
  await stack.redis.start();
  await page.getByRole('rowheader', { name: 'Quiet' }).waitFor();
});
