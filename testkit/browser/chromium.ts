/** A headless Chromium for tests that look at pages: Debian's browser, driven by playwright-core. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { installDebian } from '../../deploy/local/tools.ts';

export type { Page };
export type Browser = Awaited<ReturnType<typeof startBrowser>>;

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
/** It talks to nobody: no updates, no sync, no first-run pages. Colours are those that were asked for. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--force-color-profile=srgb'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** The browser's path; Debian's is installed where root may. Null where there is none: then say so and skip. */
export async function ensureChromium(): Promise<string | null> {
  const find = () => {
    const dirs = (process.env['PATH'] ?? '').split(':');
    return NAMES.flatMap(name => dirs.map(dir => join(dir, name))).find(existsSync) ?? null;
  };
  const found = find();
  if (found !== null) return found;
  const apt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!apt || process.getuid?.() !== 0) return null;
  await installDebian('chromium');
  return find();
}

/** Of Chromium's trace event format; times in µs. */
export interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  /** By the clock, and in which its thread really ran. */
  readonly dur?: number;
  readonly tdur?: number;
}

/** Starts a browser with a profile of its own; every page of it is opened by {@link Browser.open}. */
export async function startBrowser(executablePath: string) {
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  return {
    /** A page in a profile of its own, and its exceptions, console errors and failed loads so far. */
    async open(url: string, options: BrowserContextOptions = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      const page = await context.newPage();
      const errors: string[] = [];
      page.on('pageerror', err => errors.push(err.message));
      page.on('console', message => {
        if (message.type() === 'error') errors.push(message.text());
      });
      await page.goto(url, { waitUntil: 'load' });
      return { page, errors };
    },
    /** What the browser's threads do until {@link endTrace}. @param categories as Chromium names them. */
    startTrace: (categories: string[]) => browser.startTracing(undefined, { categories }),
    async endTrace(): Promise<TraceEvent[]> {
      return (JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] })
        .traceEvents;
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
