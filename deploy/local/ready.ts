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

/** @param limitMs how long to try. @returns null where nothing has answered by then. */
export async function whenReady(stack: Stack, apiKey: string, limitMs: number): Promise<Ready | null> {
  const end = performance.now() + limitMs;
  while (performance.now() < end) {
    // Not listening yet, or an engine that takes too long.
    const ready = await look(stack, apiKey, Math.ceil(end - performance.now())).catch(() => null);
    if (ready !== null) return ready;
    await sleep(PAUSE_MS);
  }
  return null;
}

async function look({ url, console }: Stack, apiKey: string, limitMs: number): Promise<Ready | null> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  for (const part of [url, console]) if (!(await fetch(`${part}/readyz`)).ok) return null;
  const listed = await fetch(`${url}/v1/models`, { headers });
  if (!listed.ok) return null;
  const { data } = (await listed.json()) as { data: { id: string }[] };
  const models = data.map(({ id }) => id).sort((a, b) => Number(b === 'sim-chat') - Number(a === 'sim-chat'));
  for (const model of models) {
    const asked = { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 };
    const answer = await fetch(`${url}/v1/chat/completions`, {
      ...{ method: 'POST', headers, body: JSON.stringify(asked) },
      signal: AbortSignal.timeout(limitMs),
    });
    const text = await answer.text();
    if (answer.ok) return { model };
    // Such a model does not chat: its engine embeds, for one.
    if (!text.includes('"endpoint_not_found"')) return null;
  }
  const [model] = models;
  return model === undefined ? null : { model };
}
