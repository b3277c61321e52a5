/** A headless Chromium for tests that look at pages, driven over its DevTools protocol. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installDebian } from '../deploy/local/tools.ts';
import { startProcess } from './process.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
/** It talks to nobody: no updates, no sync, no first-run pages. */
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--remote-debugging-port=0',
];
const ANSWER_LIMIT_MS = 15_000;

/** The browser's path; Debian's is installed where root may. Null where there is none: then say so and skip. */
export function ensureChromium(say: (line: string) => void = () => {}): string | null {
  const find = () => {
    const dirs = (process.env['PATH'] ?? '').split(':');
    return NAMES.flatMap(name => dirs.map(dir => join(dir, name))).find(existsSync) ?? null;
  };
  const found = find();
  if (found !== null) return found;
  const apt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!apt || process.getuid?.() !== 0) return null;
  say("installing Debian's chromium");
  installDebian('chromium');
  return find();
}

export interface Page {
  /** The value of an expression in the page; awaits promises. @throws what it throws. */
  evaluate<T>(expression: string): Promise<T>;
  /** PNG of the whole page. */
  screenshot(): Promise<Buffer>;
  dark(on: boolean): Promise<void>;
  /** Exceptions and console errors of the page so far. */
  readonly errors: readonly string[];
}

/** Starts a browser with a profile of its own and opens one page of the given width. */
export async function openPage(chromium: string, url: string, width = 1280) {
  const profile = await mkdtemp(join(tmpdir(), 'penstock-chromium-'));
  let endpoint = '';
  const browser = await startProcess(chromium, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    readyWhen: line => {
      endpoint = /DevTools listening on (ws:\S+)/.exec(line)?.[1] ?? '';
      return endpoint !== '';
    },
  });
  const devtools = await connect(endpoint);
  const page = await attach(devtools, url, width);
  return Object.assign(page, {
    async [Symbol.asyncDispose]() {
      devtools.close();
      await browser.stop();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  });
}

type Json = Record<string, unknown>;
interface Devtools {
  send(method: string, params?: Json, sessionId?: string): Promise<Json>;
  onEvent(listener: (method: string, params: Json) => void): void;
  close(): void;
}

async function connect(endpoint: string): Promise<Devtools> {
  const socket = new WebSocket(endpoint);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error('no connection to chromium')));
  });
  const waiting = new Map<number, (message: Json) => void>();
  const listeners: ((method: string, params: Json) => void)[] = [];
  let ids = 0;
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as Json & { id?: number; method?: string; params?: Json };
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    else for (const listener of listeners) listener(message.method ?? '', message.params ?? {});
  });
  return {
    send: (method, params = {}, sessionId) =>
      new Promise((resolve, reject) => {
        const id = ++ids;
        const limit = setTimeout(() => reject(new Error(`${method}: no answer`)), ANSWER_LIMIT_MS);
        waiting.set(id, ({ result, error }) => {
          clearTimeout(limit);
          waiting.delete(id);
          if (error) reject(new Error(`${method}: ${JSON.stringify(error)}`));
          else resolve(result as Json);
        });
        socket.send(JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) }));
      }),
    onEvent: listener => void listeners.push(listener),
    close: () => socket.close(),
  };
}

async function attach(devtools: Devtools, url: string, width: number): Promise<Page> {
  const { targetId } = await devtools.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await devtools.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (method: string, params: Json = {}) => devtools.send(method, params, String(sessionId));
  const errors: string[] = [];
  const loaded = new Promise<void>(resolve => {
    devtools.onEvent((method, params) => {
      if (method === 'Page.loadEventFired') resolve();
      if (method === 'Runtime.exceptionThrown') errors.push(JSON.stringify(params['exceptionDetails']));
      if (method === 'Log.entryAdded') errors.push(JSON.stringify(params['entry']));
      if (method === 'Runtime.consoleAPICalled' && params['type'] === 'error')
        errors.push(JSON.stringify(params['args']));
    });
  });
  for (const domain of ['Page', 'Runtime', 'Log']) await send(`${domain}.enable`);
  const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: false };
  await send('Emulation.setDeviceMetricsOverride', metrics);
  await send('Page.navigate', { url });
  await loaded;
  return {
    errors,
    async evaluate<T>(expression: string) {
      const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
      if (answer['exceptionDetails']) throw new Error(JSON.stringify(answer['exceptionDetails']));
      return (answer['result'] as { value: T }).value;
    },
    async screenshot() {
      const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: true });
      return Buffer.from(String(data), 'base64');
    },
    async dark(on) {
      const features = [{ name: 'prefers-color-scheme', value: on ? 'dark' : 'light' }];
      await send('Emulation.setEmulatedMedia', { features });
    },
  };
}
