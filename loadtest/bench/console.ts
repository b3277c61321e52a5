/**
 * How a page of the console keeps up with a large fleet: a thousand workers that change every second, ten thousand requests that wait, a
 * real browser. A task that holds the page up for longer than 50 ms is felt by who types or points.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Browser,
  ensureChromium,
  type Page,
  startBrowser,
  type TraceEvent,
} from '../../testkit/browser/chromium.ts';
import { ADMIN_KEY, startConsole } from '../../testkit/browser/console.ts';
import { startProcess } from '../../testkit/process.ts';
import { API_KEY, chat, startStack, waitFor } from '../../testkit/stack.ts';
import { cpuSeconds } from './measure/cpu.ts';
import { median, runLoad } from './measure/load.ts';

export interface ConsoleFigures {
  readonly workers: number;
  readonly queued: number;
  readonly queues: number;
  readonly seconds: number;
  readonly pages: readonly PageFigures[];
  /** Share of a core that the console process used with these pages. */
  readonly consoleCpu: number;
}

export interface PageFigures {
  readonly name: string;
  readonly updates: number;
  /** Of an update, median. */
  readonly bytes: number;
  /** Of its thread, by the clock and by the CPU time of that thread: a machine that runs other things makes the first of them longer. */
  readonly clock: TaskFigures;
  readonly cpu: TaskFigures;
  /** Exceptions, failed loads and what the page's policy forbade. */
  readonly errors: number;
}

export interface TaskFigures {
  /** Tasks that took more than 50 ms. */
  readonly long: number;
  readonly longestMs: number;
  /** Of the time, in all tasks together. */
  readonly share: number;
}

const FLEET = new URL('./processes/fleet.ts', import.meta.url).pathname;
const WORKERS = 1000;
const MODELS = 8;
const QUEUED = 10_000;
const HELD = 64;
const SECONDS = 60;
const SETTLE_MS = 5000;
/** By name: where it is, and whether it is in front, which decides how often it is told. */
const PAGES = [
  ['Now, in front', '/', true],
  ['Now, beside another window', '/', false],
  ['Workers, in front', '/workers', true],
] as const;

/** The browser's own names of what it tells of its tasks, and of marks that pages set. */
const TRACED = ['toplevel', 'blink.user_timing'];
const TASK = 'ThreadControllerImpl::RunTask';
const LONG_MS = 50;

export async function measureConsole(): Promise<ConsoleFigures> {
  const chromium = await ensureChromium();
  if (chromium === null) throw new Error('there is no chromium on the PATH, and only root may install it');
  await using stack = await startStack({});
  await using _fleet = await startFleet(stack.nats.url);
  await using _held = await fill(stack.url);
  await using operator = await startConsole(stack);
  await using browser = await startBrowser(chromium);
  const pages: Watched[] = [];
  for (const [name, path, isInFront] of PAGES)
    pages.push(await watch(browser, operator.url, name, path, isInFront));
  await waitFor(async () => (await tile(pages[0]?.page, 'Queued')) >= QUEUED);
  await sleep(SETTLE_MS);
  const queues = (await pages[0]?.page.locator('[data-queue]').count()) ?? 0;
  await browser.startTrace(TRACED);
  for (const page of pages) await page.begin();
  const [cpuBefore, startedAt] = [cpuSeconds(operator.pid), performance.now()];
  await sleep(1000 * SECONDS);
  const consoleCpu = (1000 * (cpuSeconds(operator.pid) - cpuBefore)) / (performance.now() - startedAt);
  for (const page of pages) await page.end();
  const trace = await browser.endTrace();
  const figures = pages.map(page => page.figures(trace));
  return { workers: WORKERS, queued: QUEUED, queues, seconds: SECONDS, pages: figures, consoleCpu };
}

async function startFleet(natsUrl: string) {
  const fleet = await startProcess(process.execPath, [FLEET, natsUrl, `${WORKERS}`, `${MODELS}`], {
    readyWhen: line => line === 'heard',
  });
  return { [Symbol.asyncDispose]: () => fleet.stop() };
}

/** Jobs of two lanes that nobody takes, and calls whose clients wait. */
async function fill(url: string) {
  const each = QUEUED / MODELS / 2;
  for (let i = 1; i <= MODELS; i++)
    for (const service_tier of ['default', 'flex']) {
      const body = JSON.stringify(chat('Hello', { model: `bench-${i}`, service_tier }));
      const load = { body, concurrency: 32, requests: each, headers: { prefer: 'respond-async' } };
      const { errors } = await runLoad({ url, apiKey: API_KEY }, load);
      if (errors > 0) throw new Error(`${errors} of ${each} jobs were not accepted`);
    }
  const leave = new AbortController();
  const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
  const calls = Array.from({ length: HELD }, (_, i) => {
    const body = JSON.stringify(chat('Hello', { model: `bench-${(i % MODELS) + 1}`, stream: true }));
    const init = { method: 'POST', headers, body, signal: leave.signal };
    return fetch(`${url}/v1/chat/completions`, init).catch(() => null);
  });
  return {
    async [Symbol.asyncDispose]() {
      leave.abort();
      await Promise.all(calls);
    },
  };
}

type Watched = Awaited<ReturnType<typeof watch>>;

async function watch(browser: Browser, url: string, name: string, path: string, isInFront: boolean) {
  const { page, errors } = await browser.open('about:blank');
  if (!isInFront) await page.addInitScript('document.hasFocus = () => false');
  await page.goto(url);
  await page.getByLabel('Key').fill(ADMIN_KEY);
  await page.keyboard.press('Enter');
  await page.locator('header nav').waitFor();
  await page.goto(`${url}/#${path}`);
  const debug = await page.context().newCDPSession(page);
  await debug.send('Network.enable');
  const bytes: number[] = [];
  let isCounting = false;
  debug.on('Network.eventSourceMessageReceived', ({ data }) => {
    if (isCounting) bytes.push(data.length);
  });
  const mark = (when: string) =>
    page.evaluate(`void performance.mark(${JSON.stringify(`${name}: ${when}`)})`);
  return {
    page,
    async begin() {
      await mark('begin');
      isCounting = true;
    },
    async end() {
      isCounting = false;
      await mark('end');
    },
    figures(trace: readonly TraceEvent[]): PageFigures {
      const [from, to] = ['begin', 'end'].map(when => trace.find(event => event.name === `${name}: ${when}`));
      if (from === undefined || to === undefined) throw new Error(`the trace does not tell of ${name}`);
      const tasks = trace.filter(
        ({ name, pid, tid, ts }) =>
          name === TASK && pid === from.pid && tid === from.tid && ts > from.ts && ts < to.ts,
      );
      const of = (key: 'dur' | 'tdur') =>
        tasksOf(
          tasks.map(task => (task[key] ?? 0) / 1000),
          (to.ts - from.ts) / 1000,
        );
      const size = { updates: bytes.length, bytes: median(bytes) };
      return { name, ...size, clock: of('dur'), cpu: of('tdur'), errors: errors.length };
    },
  };
}

function tasksOf(ms: readonly number[], allMs: number): TaskFigures {
  return {
    long: ms.filter(each => each > LONG_MS).length,
    longestMs: ms.reduce((most, each) => Math.max(most, each), 0),
    share: ms.reduce((sum, each) => sum + each, 0) / allMs,
  };
}

async function tile(page: Page | undefined, name: string): Promise<number> {
  return Number(await page?.locator(`[data-tile="${name}"]`).textContent());
}
