/**
 * A harmless request, sent to an engine that failed another: whether it answers tells a broken engine from a prompt that it cannot
 * stand. Of the same kind and for the same model, one token long.
 */
import type { TrialOutcome } from '@penstock/policy';
import { type Endpoint, readEngineError, understandAnswer, type WorkMeta } from '@penstock/protocol';
import type { Engine } from './engine.ts';

/** An engine at work may let it wait for a while. */
const TRIAL_LIMIT_MS = 5000;

const TRIALS: Partial<Record<Endpoint, object>> = {
  chat: { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 },
  completions: { prompt: 'Hi', max_tokens: 1 },
  embeddings: { input: 'Hi' },
};

/** Never rejects. @param failed the request that the engine failed. */
export async function tryOut(
  engine: Pick<Engine, 'ask'>,
  { endpoint, model }: Pick<WorkMeta, 'endpoint' | 'model'>,
): Promise<TrialOutcome> {
  const body = TRIALS[endpoint];
  if (body === undefined) return 'unknown';
  try {
    const answer = await engine.ask(endpoint, { model, ...body }, TRIAL_LIMIT_MS);
    return judge(answer.status, answer.body, endpoint);
  } catch {
    return 'failed';
  }
}

function judge(status: number, body: Buffer, endpoint: Endpoint): TrialOutcome {
  if (status !== 200) return readEngineError(status, body).fault === 'engine' ? 'failed' : 'unknown';
  const answer = understandAnswer(body, endpoint);
  if (answer.kind === 'error') return answer.error.fault === 'engine' ? 'failed' : 'unknown';
  return answer.kind === 'answer' ? 'passed' : 'failed';
}
