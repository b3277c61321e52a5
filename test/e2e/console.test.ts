/** The console as an operator sees it: in a browser, on a real stack. One stack and one browser for all tests, which follow one another. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DARK, LIGHT } from '../../services/console/shared/palette.ts';
import { findings } from '../../testkit/browser/axe.ts';
import { ensureChromium, type Page, startBrowser } from '../../testkit/browser/chromium.ts';
import { ADMIN_KEY, startConsole } from '../../testkit/browser/console.ts';
import { startReceiver } from '../../testkit/receiver.ts';
import { API_KEY, chat, post, readChat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';
import { tellOfAPanic } from './scaler-record.fixture.ts';

const chromium = await ensureChromium();
const skip = chromium === null && 'there is no chromium on the PATH, and only root may install it';

const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };

let stack: Stack;
let operator: Awaited<ReturnType<typeof startConsole>>;
let browser: Awaited<ReturnType<typeof startBrowser>>;
/** Logged in, and open through all tests. */
let page: Page;
let errors: string[];

before(async () => {
  if (chromium === null) return;
  [stack, browser] = await Promise.all([
    startStack({
      engines: [{ listSentinels: true }, {}],
      workerEnv: { PENSTOCK_SLOTS: '8' },
      ingressEnv: ALLOW,
      tasksEnv: ALLOW,
    }),
    startBrowser(chromium),
  ]);
  operator = await startConsole(stack);
  ({ page, errors } = await browser.open(operator.url));
});

after(async () => {
  if (chromium === null) return;
  await browser[Symbol.asyncDispose]();
  await operator[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

async function openLoggedIn(options: Parameters<typeof browser.open>[1]) {
  const opened = await browser.open(operator.url, options);
  await opened.page.getByLabel('Key').fill(ADMIN_KEY);
  await opened.page.keyboard.press('Enter');
  await opened.page.locator('.tiles').waitFor();
  return opened;
}

const cell = (worker: string) => page.locator(`#worker-${worker}`);
const connection = () => page.locator('[data-connection]').getAttribute('data-connection');

test('a wrong key is refused in words, and the right one logs in, by keyboard alone', { skip }, async () => {
  assert.deepEqual(await findings(page), []);
  await page.keyboard.type('a-wrong-key-0001');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'knows no such key' }).waitFor();
  assert.deepEqual(await findings(page), []);
  // The browser itself tells of the refusal.
  assert.equal(errors.splice(0).length, 1);
  await page.keyboard.press('Control+A');
  await page.keyboard.type(ADMIN_KEY);
  await page.keyboard.press('Enter');
  await page.locator('.tiles').waitFor();
  assert.equal(new URL(page.url()).search, '');
});

test('live numbers are those of /metrics', { skip }, async () => {
  await Promise.all(
    Array.from({ length: 7 }, (_, i) => readChat(stack, chat(`Hello ${i}`, { max_tokens: 5 }))),
  );
  const metrics = await (await fetch(`${stack.url}/metrics`)).text();
  const sum = (name: string) =>
    [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))].reduce(
      (total, match) => total + Number(match[1]),
      0,
    );
  const shown = (field: string) => page.locator(`[data-ingress=in-1] [data-field=${field}]`).textContent();
  await waitFor(async () => (await shown('finished')) === `done ${sum('penstock_requests_finished_total')}`);
  assert.equal(Number(await shown('arrivals')), sum('penstock_placements_total'));
  assert.equal(Number(await shown('firstTokens')), sum('penstock_time_to_first_token_seconds_count'));
  assert.equal(Number(await shown('open')), sum('penstock_open_requests'));
  assert.deepEqual([sum('penstock_requests_finished_total'), sum('penstock_open_requests')], [7, 0]);
  await waitFor(async () => (await page.locator('[data-tile="In flight"]').textContent()) === '0 of 16');
  assert.equal(sum('penstock_workers'), await page.locator('[role=option]').count());
  await waitFor(async () => (await page.locator('[data-tile="In target"]').textContent()) === '100 %');
});

test('where requests went is told, and how much of their prompts engines found in their caches', {
  skip,
}, async () => {
  // Its answer says how many tokens the prompt had.
  await post(stack, '/v1/chat/completions', chat('How long is this?', { max_tokens: 1 }));
  await goTo('Traffic');
  await page.getByRole('rowheader', { name: 'nobody is known to hold enough of the prompt' }).waitFor();
  await page.locator('[data-row="sim-chat"]').getByText('%').first().waitFor();
  assert.deepEqual(await findings(page), []);
  await goTo('Now');
});

test('what runs is drawn: in the cell of its worker, with exactly the colours of the palette', {
  skip,
}, async () => {
  const slow = readChat(stack, chat('A long answer', { max_tokens: 800 }));
  await waitFor(async () => (await page.locator('.cell.working[role=option]').count()) === 1);
  const busy = await page.locator('.cell.working[role=option]').getAttribute('aria-label');
  assert.match(busy ?? '', /^w-\d: working, 1 of 8 slots in use$/);
  for (const [colorScheme, theme] of [
    ['dark', DARK],
    ['light', LIGHT],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    // What is above the legend may grow by a line between the look for its place and the picture.
    await waitFor(async () => {
      const png = await page.locator('.cell.small.working').screenshot();
      const [free, used] = await pixels(png, HALVES);
      return free === theme.free && used === theme.used;
    });
  }
  assert.equal((await slow).done, true);
});

/** A point in the free and one in the used half of a cell in the legend: away from its edges, and from the mark in its middle. */
const HALVES = [
  [4, 5],
  [4, 19],
] as const;

/** Colours of points of a picture, as `#rrggbb`. */
async function pixels(png: Buffer, points: readonly (readonly [number, number])[]): Promise<string[]> {
  const { page: canvas } = await browser.open('about:blank');
  const found = await canvas.evaluate<string[]>(`(async () => {
    const image = new Image();
    image.src = 'data:image/png;base64,${png.toString('base64')}';
    await image.decode();
    const context = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height }).getContext('2d');
    context.drawImage(image, 0, 0);
    return ${JSON.stringify(points)}.map(([x, y]) =>
      '#' + [...context.getImageData(x, y, 1, 1).data.slice(0, 3)].map(part => part.toString(16).padStart(2, '0')).join(''));
  })()`);
  await canvas.context().close();
  return found;
}

test('axe finds nothing: in light and dark, narrow, with forced colours', { skip }, async () => {
  assert.deepEqual(await findings(page), []);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.deepEqual(await findings(page), []);
  await page.emulateMedia({ colorScheme: null, forcedColors: 'active', reducedMotion: 'reduce' });
  assert.deepEqual(await findings(page), []);
  await page.emulateMedia({ forcedColors: null, reducedMotion: null });
  const narrow = await openLoggedIn({ viewport: { width: 320, height: 640 } });
  assert.deepEqual(await findings(narrow.page), []);
  assert.equal(await narrow.page.evaluate('document.documentElement.scrollWidth'), 320);
  assert.deepEqual(narrow.errors, []);
  await narrow.page.context().close();
});

test('workers are told in words to who moves by keys', { skip }, async () => {
  await page.locator('[role=listbox]').focus();
  await page.keyboard.press('End');
  await page.locator('[data-worker=w-2]').waitFor();
  await page.keyboard.press('ArrowLeft');
  await page.locator('[data-worker=w-1]').waitFor();
  assert.match(
    (await page.locator('[data-worker=w-1]').textContent()) ?? '',
    /idle.*sim-chat.*0 of 8 in use/,
  );
});

const goTo = (name: string) => page.getByRole('link', { name, exact: true }).click();

/** Acts on what is selected, by keyboard from the button on. */
async function act(verb: string, reason: string): Promise<void> {
  await page.getByRole('button', { name: `${verb}…` }).press('Enter');
  await page.getByRole('dialog').waitFor();
  assert.deepEqual(await findings(page), []);
  await page.keyboard.type(reason);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

test('a worker is drained and resumed, by who says that he means to act, and why', { skip }, async () => {
  await goTo('Workers');
  const row = page.locator('[data-row=w-1]');
  await row.filter({ hasText: 'level 0' }).waitFor();
  assert.equal(await page.getByRole('checkbox').count(), 0, 'it is read only');
  assert.deepEqual(await findings(page), []);
  await page.getByRole('button', { name: 'Read only' }).click();
  await page.getByLabel('Filter').fill('W-1');
  await page.getByLabel('Select w-1').check();
  await act('Drain', 'its GPU is hot');
  await row.filter({ hasText: 'drained' }).filter({ hasText: 'no: an operator drained it' }).waitFor();
  const { headers } = await readChat(stack, chat('Somebody else is there', { max_tokens: 1 }));
  assert.equal(headers.get('x-penstock-worker'), 'w-2');
  await page.getByLabel('Select w-1').check();
  await act('Resume', 'it is cool again');
  await row.filter({ hasText: 'idle' }).waitFor();
  await goTo('Audit');
  await page.getByText('it is cool again').waitFor();
  const noted = await page.locator('tbody th').allTextContents();
  // The wrong key of the first test, and the processes of the stack.
  assert.deepEqual(noted.slice(0, 4), [
    'worker: resume',
    'worker: drain',
    'console: login',
    'process: start',
  ]);
  assert.deepEqual(await findings(page), []);
});

test('what a scaler decided is shown with why, and that none runs', { skip }, async () => {
  await goTo('Scaler');
  await page.getByText('No scaler has told of itself').waitFor();
  await tellOfAPanic(stack.redis.url);
  await page.getByText('The driver cannot be relied on: it answered 500').waitFor();
  const row = (await page.locator('tbody tr').filter({ hasText: 'h100 3→5' }).textContent()) ?? '';
  assert.match(row, /▲.*half of its patience; more would be needed, and the budget is spent/);
  assert.match((await page.locator('[data-row=h100]').textContent()) ?? '', /2, 1 overdue.*61 s.*10\.00/);
  assert.deepEqual(await findings(page), []);
});

test('a dead letter is looked at without its prompt, cannot be requeued where nobody waits, and is dropped', {
  skip,
}, async () => {
  await goTo('Dead letters');
  await page.getByText('There are none.').waitFor();
  const failed = await readChat(stack, {
    ...chat('the secret of the penstock', { max_tokens: 1 }),
    model: 'sim-fail',
  });
  const id = failed.headers.get('x-penstock-request-id') ?? '';
  const row = page.locator(`[data-row="${id}"]`);
  await waitFor(async () => {
    await page.getByRole('button', { name: 'Look again' }).click();
    return (await row.count()) === 1;
  });
  await page.getByRole('button', { name: id }).click();
  await page.getByText('its client waited on an open connection').waitFor();
  assert.equal((await page.content()).includes('secret'), false);
  assert.deepEqual(await findings(page), []);
  await page.getByRole('link', { name: 'What happened to it' }).click();
  await page.getByRole('rowheader').filter({ hasText: 'taken by w-1' }).first().waitFor();
  await goTo('Requests');
  const failure = page.locator('tbody tr').filter({ hasText: 'given up: it failed on every attempt' });
  await failure.waitFor();
  await page.getByLabel('State').selectOption('done');
  await failure.waitFor({ state: 'detached' });
  await page.getByLabel('State').selectOption('failed');
  await page.getByLabel('Filter by tenant or model').fill('sim-other');
  await page.getByText('There is none.').waitFor();
  await page.getByLabel('Filter by tenant or model').fill('sim-fail');
  assert.deepEqual(await findings(page), []);
  await failure.getByRole('link', { name: id }).click();
  await page.getByRole('rowheader').filter({ hasText: 'taken by w-1' }).first().waitFor();
  assert.deepEqual(await findings(page), []);
  await goTo('Dead letters');
  await page.getByLabel('Select all').check();
  await act('Requeue', 'try again');
  await page.getByRole('status').filter({ hasText: 'Requeue: 0 of 1 done.' }).waitFor();
  await page.getByLabel('Select all').check();
  await act('Drop', 'nobody waits');
  await page.getByText('There are none.').waitFor();
  await goTo('Now');
});

async function createBatch(...lines: readonly string[]): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob([lines.join('\n')]), 'lines.jsonl');
  const headers = { authorization: `Bearer ${API_KEY}` };
  const file = (await (
    await fetch(`${stack.url}/v1/files`, { method: 'POST', headers, body: form })
  ).json()) as { id: string };
  const about = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' };
  return ((await (await post(stack, '/v1/batches', about)).json()) as { id: string }).id;
}

test('a batch shows how far it is and what is wrong with its input, and is cancelled', { skip }, async () => {
  const body = { ...chat('the secret of the penstock'), model: 'sim-hang' };
  const line = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body };
  const wrong = await createBatch(JSON.stringify(line), 'no JSON');
  const id = await createBatch(JSON.stringify(line));
  await goTo('Batches');
  const row = page.locator(`[data-row="${id}"]`).filter({ hasText: '0 of 1' });
  await waitFor(async () => {
    await page.getByRole('button', { name: 'Look again' }).click();
    return (await row.count()) === 1;
  });
  await page.getByLabel('Any batch by its id').fill(wrong);
  await waitFor(async () => {
    await page.getByRole('button', { name: 'Find' }).click();
    return (await page.getByText('Line 2: ').count()) === 1;
  });
  assert.deepEqual(await findings(page), []);
  assert.equal((await page.content()).includes('secret'), false);
  await page.getByLabel(`Select ${id}`).check();
  await act('Cancel', 'it hangs');
  await page.getByRole('status').filter({ hasText: 'Cancel: 1 of 1 done.' }).waitFor();
  await waitFor(async () => {
    await page.getByRole('button', { name: 'Look again' }).click();
    return (await page.getByText('None is under way.').count()) === 1;
  });
  await goTo('Now');
});

test('what was sent to a webhook endpoint is shown, and sent again', { skip }, async () => {
  await using receiver = await startReceiver();
  const about = { name: 'mine', url: `${receiver.url}/hook?token=secret`, event_types: ['job.completed'] };
  const endpoint = (await (await post(stack, '/v1/webhook_endpoints', about)).json()) as { id: string };
  await post(stack, '/v1/chat/completions', chat('x', { max_tokens: 1 }), {
    headers: { prefer: 'respond-async' },
  });
  await waitFor(() => receiver.received.length === 1);
  await goTo('Webhooks');
  const row = page.getByRole('row').filter({ hasText: 'job.completed' });
  await waitFor(async () => {
    // Each time anew: what is typed while the page is still being drawn may be lost.
    await page.getByLabel('Tenant').fill(endpoint.id);
    await page.keyboard.press('Enter');
    return (await row.filter({ hasText: 'delivered' }).filter({ hasText: 'answered 200' }).count()) === 1;
  });
  assert.deepEqual(await findings(page), []);
  assert.equal((await page.content()).includes('secret'), false);
  await page.getByLabel('Select all').check();
  await act('Redeliver', 'they lost it');
  await waitFor(() => receiver.received.length === 2);
  assert.equal(receiver.received[0]?.event.id, receiver.received[1]?.event.id);
  await goTo('Now');
});

test('a killed worker is shown as silent, and what follows is said in the sentence', { skip }, async () => {
  // Where a test before this one failed, another page is open.
  await goTo('Now');
  stack.workers[1]?.kill('SIGKILL');
  await waitFor(async () => (await cell('w-2').getAttribute('class')) === 'cell silent');
  await waitFor(async () =>
    ((await page.locator('.incident').textContent()) ?? '').includes('Worker w-2 is silent.'),
  );
  assert.equal(await page.locator('[data-tile="In flight"]').textContent(), '0 of 8');
  assert.deepEqual(errors, []);
});

test('a hidden page asks for nothing, and goes on when it is looked at again', { skip }, async () => {
  const hide = (isHidden: boolean) =>
    page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} });
      document.dispatchEvent(new Event('visibilitychange'))`);
  await hide(true);
  await waitFor(async () => (await connection()) === 'paused');
  await hide(false);
  await waitFor(async () => (await connection()) === 'live');
});

test('a console that dies is said to be stale, and is followed again after its restart, without a login', {
  skip,
}, async () => {
  await operator.kill();
  await waitFor(async () => (await connection()) === 'stale');
  assert.match((await page.getByRole('alert').textContent()) ?? '', /^Stale for \d+ s/);
  await operator.startAgain();
  await waitFor(async () => (await connection()) === 'live');
  await cell('w-1').waitFor();
  // The browser tells of each attempt to connect, and of nothing else.
  assert.deepEqual(
    errors
      .splice(0)
      .filter(
        text => !text.includes('ERR_CONNECTION_REFUSED') && !text.includes('ERR_INCOMPLETE_CHUNKED_ENCODING'),
      ),
    [],
  );
});

test('who logs out sees nothing more', { skip }, async () => {
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Key').waitFor();
  assert.equal((await page.context().cookies()).length, 0);
  assert.deepEqual(errors, []);
});
