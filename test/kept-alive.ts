/**
 * Loaded into the process of each test file. A file whose tests are over, but which a server or a timer that one of them left keeps
 * alive, is ended and fails by name: it would stand for the whole run, which reports one file after another.
 */
import { after } from 'node:test';

/** Far longer than what is cleaned up after the last test, ms. */
const LIMIT_MS = Number(process.env['PENSTOCK_TEST_KEPT_ALIVE_MS'] ?? 60_000);

after(() => {
  const limit = setTimeout(() => {
    const left = process.getActiveResourcesInfo().join(', ');
    process.stderr.write(`kept alive after its tests by: ${left}\n`);
    process.exit(1);
  }, LIMIT_MS);
  limit.unref();
});
