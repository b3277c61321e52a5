/** Before any load: is there somebody, is the key right, is the model there? */
import exec from 'k6/execution';
import { send } from './client.ts';
import { text, URL } from './env.ts';

/** What `setup()` hands to every iteration. */
export interface Prepared {
  readonly model: string;
  /** Begins every prompt, so that no cache knows it from an earlier run. */
  readonly run: string;
}

/** Use as `setup`. Ends the run in one clear line where the target is not as it should be. */
export async function setup(): Promise<Prepared> {
  const reply = await send('GET', '/v1/models', null, 'models');
  if (reply.status === 0)
    abort(`cannot reach ${URL} (${reply.error || 'no answer'}): is it up? Set PENSTOCK_URL`);
  if (reply.status === 401 || reply.status === 403)
    abort(`${URL} refuses the API key (${reply.status}): set PENSTOCK_KEY`);
  const models = reply.status === 200 ? modelsIn(reply.body ?? '') : null;
  if (models === null)
    abort(`${URL}/v1/models answers ${reply.status}, not a list of models: set PENSTOCK_URL`);
  const wanted = text('MODEL', models.indexOf('sim-chat') >= 0 ? 'sim-chat' : (models[0] ?? ''));
  if (wanted === '') abort(`${URL} has no models: no worker is up`);
  if (models.indexOf(wanted) < 0) abort(`no model ${wanted}: set MODEL to one of ${models.join(', ')}`);
  return { model: wanted, run: Date.now().toString(36) };
}

function modelsIn(body: string): string[] | null {
  try {
    return (JSON.parse(body) as { data: { id: string }[] }).data.map(model => model.id);
  } catch {
    return null;
  }
}

/** Ends the run with one line. */
export function abort(message: string): never {
  exec.test.abort(message);
  throw new Error(message);
}
