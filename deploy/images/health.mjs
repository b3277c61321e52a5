/** The health check of every image: exits with 0 if the service of this container takes work, else says why not. */
const { PENSTOCK_HEALTH_URL = `http://127.0.0.1:${process.env.PENSTOCK_METRICS_PORT}/readyz` } = process.env;
const LIMIT_MS = 2000;

try {
  const response = await fetch(PENSTOCK_HEALTH_URL, { signal: AbortSignal.timeout(LIMIT_MS) });
  if (!response.ok) {
    console.log(`${response.status} ${await response.text()}`);
    process.exitCode = 1;
  }
} catch (err) {
  console.log(`${PENSTOCK_HEALTH_URL}: ${err.cause?.code ?? err.name}`);
  process.exitCode = 1;
}
