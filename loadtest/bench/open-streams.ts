/** How much memory an ingress needs for many open streams, and whether it gives it back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { API_KEY, chat, startStack } from '../../testkit/stack.ts';
import { residentMb } from './measure/cpu.ts';

export interface OpenStreamsFigures {
  readonly streams: number;
  readonly errors: number;
  /** Resident memory of the ingress, MB: after a warm-up, when all streams are open, at most, and when all are over. */
  readonly idleMb: number;
  readonly openMb: number;
  readonly peakMb: number;
  readonly afterMb: number;
}

/** Tokens a second of each stream: slow, so that all are open at once. */
const SLOW = { profile: 'dense-8b-h100', timeScale: 0.02, maxNumSeqs: 10_000 };
const TOKENS = 24;
/** Connections are opened in waves: the kernel's backlog of an accepting socket is 511. */
const WAVE = 250;
/** Memory is given back by and by. */
const SETTLE_MS = 30_000;

export async function measureOpenStreams(streams: number): Promise<OpenStreamsFigures> {
  await using stack = await startStack({
    engines: [SLOW, SLOW],
    workerEnv: { PENSTOCK_SLOTS: '4096' },
  });
  const body = JSON.stringify(chat('Hello', { stream: true, max_tokens: TOKENS }));
  await openAll(
    stack.url,
    JSON.stringify(chat('Hello', { stream: true, max_tokens: 1 })),
    WAVE,
    async () => {},
  );
  const idleMb = residentMb(stack.ingress.pid);
  let openMb = 0;
  let peakMb = 0;
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, residentMb(stack.ingress.pid));
  }, 500);
  const errors = await openAll(stack.url, body, streams, async () => {
    openMb = residentMb(stack.ingress.pid);
  });
  clearInterval(watch);
  const end = performance.now() + SETTLE_MS;
  while (performance.now() < end && residentMb(stack.ingress.pid) > idleMb * 1.2) await sleep(500);
  return { streams, errors, idleMb, openMb, peakMb, afterMb: residentMb(stack.ingress.pid) };
}

/** Opens them, says when all are, and resolves with the number that did not end well. */
async function openAll(
  url: string,
  body: string,
  count: number,
  allOpen: () => Promise<void>,
): Promise<number> {
  const pool = new Pool(url, { connections: count, pipelining: 1, bodyTimeout: 0, headersTimeout: 0 });
  let errors = 0;
  let bytes = 0;
  const ends: Promise<void>[] = [];
  for (let opened = 0; opened < count; opened += WAVE) {
    for (let i = 0; i < WAVE && opened + i < count; i++) {
      ends.push(
        stream(pool, body, chunk => {
          bytes += chunk;
        }).then(ok => {
          if (!ok) errors++;
        }),
      );
    }
    await sleep(100);
  }
  await allOpen();
  await Promise.all(ends);
  await pool.close();
  if (bytes === 0) throw new Error('no stream carried anything');
  return errors;
}

function stream(pool: Pool, body: string, onBytes: (count: number) => void): Promise<boolean> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${API_KEY}` };
  let tail = '';
  return new Promise(resolve => {
    pool.dispatch(
      { path: '/v1/chat/completions', method: 'POST', headers, body },
      {
        onRequestStart: () => {},
        onResponseStart: () => {},
        onResponseData: (_controller, chunk) => {
          onBytes(chunk.length);
          tail = chunk.toString('latin1', Math.max(0, chunk.length - 20));
        },
        onResponseEnd: () => resolve(tail.includes('[DONE]')),
        onResponseError: () => resolve(false),
      },
    );
  });
}
