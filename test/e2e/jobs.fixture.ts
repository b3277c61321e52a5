/** Jobs in tests: chat completions that are asked for with `Prefer: respond-async`, and what they should say. */
import assert from 'node:assert/strict';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { API_KEY, chat, post, type Stack, waitFor } from '../../testkit/stack.ts';

const TOKENS = 60;

/** A chat of some length, whose answer takes a while. */
export function longChat(prompt: string): Record<string, unknown> {
  return chat(prompt, { max_tokens: TOKENS });
}

/** What the simulated model says to it. */
export function tokensFor(prompt: string): string[] {
  return expectedTokens(promptHash({ messages: [{ role: 'user', content: prompt }] }), TOKENS);
}

export function submitJob(stack: Stack, prompt: string): Promise<Response> {
  return post(stack, '/v1/chat/completions', longChat(prompt), { headers: { prefer: 'respond-async' } });
}

/** @returns its id. */
export async function acceptedJob(stack: Stack, prompt: string): Promise<string> {
  const answer = await submitJob(stack, prompt);
  assert.equal(answer.status, 202);
  return ((await answer.json()) as { id: string }).id;
}

export function lookAtJob(stack: Stack, id: string): Promise<Response> {
  return fetch(`${stack.url}/v1/jobs/${id}`, { headers: { authorization: `Bearer ${API_KEY}` } });
}

/** Waits for the answer, which has to be whole. */
export async function checkJob(stack: Stack, id: string, prompt: string): Promise<void> {
  await waitFor(async () => (await lookAtJob(stack, id)).status === 200, 60_000);
  const body = (await (await lookAtJob(stack, id)).json()) as { choices: { message: { content: string } }[] };
  assert.equal(body.choices[0]?.message.content, tokensFor(prompt).join(''));
}
