/** Whether the stack answers: one that lists its models may still have no engine that does. */
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 50;
const ENGINE_PAUSE_MS = 250;
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

export interface Patience {
  /** How long to try. */
  readonly limitMs: number;
  /** Is told what is still missing. */
  readonly note?: (missing: string) => void;
  /**
   * Where engines are loaded by somebody else, which may take many minutes: why none answers. They are waited for without a limit as long
   * as everything else answers.
   */
  readonly engines?: () => Promise<string | null>;
  /** Is told once that the limit is over and that it goes on waiting for an engine. */
  readonly onLate?: (missing: string) => void;
  readonly signal?: AbortSignal;
}

/** @returns null where nothing has answered in time. */
export async function whenReady(stack: Stack, apiKey: string, patience: Patience): Promise<Ready | null> {
  const { limitMs, note = () => {}, engines, onLate = () => {}, signal } = patience;
  const end = performance.now() + limitMs;
  let modelLimitMs = FIRST_LIMIT_MS;
  let isLate = false;
  while (signal?.aborted !== true) {
    const leftMs = () => (isLate ? modelLimitMs : Math.ceil(end - performance.now()));
    const wait = { ms: () => Math.max(1, Math.min(modelLimitMs, leftMs())), signal };
    const seen = await look(stack, apiKey, wait, note).catch(() => NO_ENGINE);
    if (typeof seen !== 'string') return seen;
    if (seen === TOO_SLOW) modelLimitMs *= 2;
    const isForEngine = engines !== undefined && [NO_ENGINE, NO_MODEL, TOO_SLOW].includes(seen);
    const missing = (isForEngine ? await engines() : null) ?? seen;
    note(missing);
    if (performance.now() >= end) {
      if (!isForEngine) return null;
      if (!isLate) onLate(missing);
      isLate = true;
    }
    await sleep(isForEngine ? ENGINE_PAUSE_MS : PAUSE_MS);
  }
  return null;
}

const NO_ENGINE = 'no answer from an engine yet';
const NO_MODEL = 'no worker has told its models yet';
const TOO_SLOW = 'no answer from an engine in time yet';

/** How long the next model may take, and what ends it earlier. */
interface Wait {
  readonly ms: () => number;
  readonly signal: AbortSignal | undefined;
}

/** @returns what is missing, where it is not ready. */
async function look(
  { url, console }: Stack,
  apiKey: string,
  wait: Wait,
  note: (missing: string) => void,
): Promise<Ready | string> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const parts = { 'the API': url, 'the console': console };
  for (const [part, at] of Object.entries(parts)) {
    const answer = await fetch(`${at}/readyz`).catch(() => null);
    if (answer?.ok !== true) return `${part} does not answer yet`;
  }
  const listed = await fetch(`${url}/v1/models`, { headers });
  if (!listed.ok) return NO_MODEL;
  const { data } = (await listed.json()) as { data: { id: string }[] };
  const models = data.map(({ id }) => id).sort((a, b) => Number(b === 'sim-chat') - Number(a === 'sim-chat'));
  let isSlow = false;
  for (const model of models) {
    note(`asking ${model} for a word`);
    const asked = { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 };
    const request = { method: 'POST', headers, body: JSON.stringify(asked) };
    const answer = await ask(`${url}/v1/chat/completions`, request, wait);
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
  return model === undefined ? NO_MODEL : { model };
}

interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
}

/** Null where no answer came in time. */
async function ask(url: string, request: RequestInit, wait: Wait): Promise<Answer | null> {
  const limit = AbortSignal.timeout(wait.ms());
  const signal = wait.signal === undefined ? limit : AbortSignal.any([limit, wait.signal]);
  try {
    const answer = await fetch(url, { ...request, signal });
    return { ok: answer.ok, status: answer.status, text: await answer.text() };
  } catch (err) {
    if (signal.aborted) return null;
    throw err;
  }
}
