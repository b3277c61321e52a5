/** Whether the stack answers: one that lists its models may still have no engine that does. */
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 50;
/**
 * How long a model may take at first; twice as long each time that one took longer. Until an ingress has heard every worker it
 * lists what the registry remembers, too, and a request for a model whose engine is gone waits for one.
 */
const FIRST_LIMIT_MS = 4000;

/** What the user is shown to try. */
export interface Ready {
  /** Answered a moment ago, if any model of the engines chats. */
  readonly model: string;
}

/** Where to ask. */
export interface Stack {
  readonly url: string;
  readonly console: string;
}

/** @param limitMs how long to try. @param note is told what is still missing. @returns null where nothing has answered by then. */
export async function whenReady(
  stack: Stack,
  apiKey: string,
  limitMs: number,
  note: (missing: string) => void = () => {},
): Promise<Ready | null> {
  const end = performance.now() + limitMs;
  let modelLimitMs = FIRST_LIMIT_MS;
  while (performance.now() < end) {
    const patienceMs = () => Math.max(1, Math.min(modelLimitMs, Math.ceil(end - performance.now())));
    const seen = await look(stack, apiKey, patienceMs, note).catch(() => 'no answer from an engine yet');
    if (typeof seen !== 'string') return seen;
    if (seen === TOO_SLOW) modelLimitMs *= 2;
    note(seen);
    await sleep(PAUSE_MS);
  }
  return null;
}

const TOO_SLOW = 'no answer from an engine in time yet';

/** @param patienceMs how long the next model may take. @returns what is missing, where it is not ready. */
async function look(
  { url, console }: Stack,
  apiKey: string,
  patienceMs: () => number,
  note: (missing: string) => void,
): Promise<Ready | string> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const parts = { 'the API': url, 'the console': console };
  for (const [part, at] of Object.entries(parts)) {
    const answer = await fetch(`${at}/readyz`).catch(() => null);
    if (answer?.ok !== true) return `${part} does not answer yet`;
  }
  const listed = await fetch(`${url}/v1/models`, { headers });
  if (!listed.ok) return 'no worker has told its models yet';
  const { data } = (await listed.json()) as { data: { id: string }[] };
  const models = data.map(({ id }) => id).sort((a, b) => Number(b === 'sim-chat') - Number(a === 'sim-chat'));
  let isSlow = false;
  for (const model of models) {
    note(`asking ${model} for a word`);
    const asked = { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 };
    const request = { method: 'POST', headers, body: JSON.stringify(asked) };
    const answer = await ask(`${url}/v1/chat/completions`, request, patienceMs());
    if (answer === null) {
      isSlow = true;
      continue;
    }
    const { text } = answer;
    if (answer.ok) return { model };
    // Such a model does not chat: its engine embeds, for one.
    if (!text.includes('"endpoint_not_found"')) return `${model} answers with ${answer.status}`;
  }
  if (isSlow) return TOO_SLOW;
  const [model] = models;
  return model === undefined ? 'no worker has told its models yet' : { model };
}

interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
}

/** Null where no answer came in time. */
async function ask(url: string, request: RequestInit, limitMs: number): Promise<Answer | null> {
  const signal = AbortSignal.timeout(limitMs);
  try {
    const answer = await fetch(url, { ...request, signal });
    return { ok: answer.ok, status: answer.status, text: await answer.text() };
  } catch (err) {
    if (signal.aborted) return null;
    throw err;
  }
}
