/** Whether the stack answers: one that lists its models may still have no engine that does. */
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 50;

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
  while (performance.now() < end) {
    // An engine that takes too long.
    const seen = await look(stack, apiKey, Math.ceil(end - performance.now()), note).catch(
      () => 'no answer from an engine yet',
    );
    if (typeof seen !== 'string') return seen;
    note(seen);
    await sleep(PAUSE_MS);
  }
  return null;
}

/** @returns what is missing, where it is not ready. */
async function look(
  { url, console }: Stack,
  apiKey: string,
  limitMs: number,
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
  for (const model of models) {
    note(`asking ${model} for a word`);
    const asked = { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 };
    const answer = await fetch(`${url}/v1/chat/completions`, {
      ...{ method: 'POST', headers, body: JSON.stringify(asked) },
      signal: AbortSignal.timeout(limitMs),
    });
    const text = await answer.text();
    if (answer.ok) return { model };
    // Such a model does not chat: its engine embeds, for one.
    if (!text.includes('"endpoint_not_found"')) return `${model} answers with ${answer.status}`;
  }
  const [model] = models;
  return model === undefined ? 'no worker has told its models yet' : { model };
}
