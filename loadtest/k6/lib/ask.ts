/** One iteration of the scenarios that send independent requests. */
import exec from 'k6/execution';
import { type ChatAnswer, chat } from './client.ts';
import type { Prepared } from './preflight.ts';
import { type Draw, promptText } from './workload.ts';

const SHORT: Draw = { promptTokens: 100, outputTokens: 20 };

/** The draw of this iteration: the same in every run, whichever virtual user runs it. */
export function drawOf(drawn: readonly Draw[]): Draw {
  return drawn[exec.scenario.iterationInTest % drawn.length] ?? SHORT;
}

/** Asks with the lengths drawn for this iteration and a prompt of its own. */
export function ask(
  prepared: Prepared,
  draw: Draw,
  tags: Readonly<Record<string, string>> = {},
): Promise<ChatAnswer> {
  const messages = [{ role: 'user', content: promptOf(prepared, draw) }];
  return chat({ model: prepared.model, messages, maxTokens: draw.outputTokens, tags });
}

/** A prompt that no other iteration and no earlier run sent. */
export function promptOf({ run }: Prepared, draw: Draw): string {
  const { name, iterationInTest } = exec.scenario;
  return promptText(`${run} ${name} ${iterationInTest}`, draw.promptTokens);
}
