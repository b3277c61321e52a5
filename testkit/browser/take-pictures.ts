/** `npm run pictures`: takes a picture of every page of a running console, in light, dark and narrow, to be looked at. They are not kept in git. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureChromium, startBrowser } from './chromium.ts';

const USAGE = `Usage: npm run pictures -- [--url URL] [--key KEY] [--out DIR]
Without options: of the console of a running npm start, with its key, into .penstock/pictures.
`;
const LOOKS = {
  light: {},
  dark: { colorScheme: 'dark' },
  narrow: { viewport: { width: 320, height: 800 } },
} as const;
const PAGES = {
  now: '/',
  workers: '/workers',
  requests: '/requests',
  traffic: '/traffic',
  tenants: '/tenants',
  batches: '/batches',
  webhooks: '/webhooks',
  'dead-letters': '/letters',
  audit: '/audit',
};
/** What is drawn from the second event on needs the third. */
const SETTLED_MS = 2500;

const { url, key, out } = options();
const chromium = await ensureChromium();
if (chromium === null) fail('there is no chromium on the PATH, and only root may install it');
mkdirSync(out, { recursive: true });
await using browser = await startBrowser(chromium);
for (const [look, context] of Object.entries(LOOKS)) {
  const { page } = await browser.open(url, context);
  await page.screenshot({ path: join(out, `login-${look}.png`) });
  await page.getByLabel('Key').fill(key);
  await page.keyboard.press('Enter');
  await page.locator('header nav').waitFor();
  for (const [name, path] of Object.entries(PAGES)) {
    await page.goto(`${url}/#${path}`);
    await page.waitForTimeout(SETTLED_MS);
    await page.screenshot({ path: join(out, `${name}-${look}.png`), fullPage: true });
  }
  await page.context().close();
}
process.stdout.write(`pictures are in ${out}\n`);

function options() {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ options: { url: text, key: text, out: text } });
    const dir = process.env['PENSTOCK_DATA_DIR'] ?? '.penstock';
    return {
      url: values.url ?? `http://127.0.0.1:${process.env['PENSTOCK_CONSOLE_PORT'] ?? 8090}`,
      key: values.key ?? readFileSync(join(dir, 'admin-key'), 'utf8').trim(),
      out: resolve(values.out ?? join(dir, 'pictures')),
    };
  } catch (err) {
    return fail(`${(err as Error).message}\n${USAGE}`);
  }
}

function fail(why: string): never {
  process.stderr.write(`pictures: ${why}\n`);
  process.exit(2);
}
