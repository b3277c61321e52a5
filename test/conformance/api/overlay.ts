/**
 * The API's own document, narrowed to what makes a fuzzer's requests worth something: a model that exists, answers that end
 * soon, a file to make batches of, an endpoint that may be called. Nothing in it allows an answer that the document does not.
 */
import type { Target } from './target.ts';

type Schema = Record<string, unknown>;
interface Document {
  paths: Record<string, Record<string, { parameters: { name: string; schema: Schema }[] }>>;
  components: { schemas: Record<string, { properties: Record<string, Schema> }> };
}

/** Of requests that name one. */
const MODELS: Readonly<Record<string, string>> = { CreateEmbedding: 'sim-embed' };
const OTHER_MODEL = 'sim-chat';
/** The simulated engine writes as much as it is asked for. */
const SIZES = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'dimensions'];
const SMALL = { type: 'integer', minimum: 1, maximum: 16 };

export async function overlay({ url, apiKey }: Target): Promise<object> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Document;
  const propertiesOf = (name: string) => document.components.schemas[name]?.properties ?? {};
  for (const name of Object.keys(document.components.schemas)) {
    const properties = propertiesOf(name);
    if (!/^(Create|Count)/.test(name) || !('model' in properties)) continue;
    properties['model'] = { enum: [MODELS[name] ?? OTHER_MODEL] };
    for (const size of SIZES) if (size in properties) properties[size] = SMALL;
  }
  propertiesOf('CreateBatch')['input_file_id'] = mostly(await uploadBatch(url, apiKey));
  for (const name of ['CreateWebhookEndpoint', 'UpdateWebhookEndpoint'])
    propertiesOf(name)['url'] = mostly('http://127.0.0.1:9/hook');
  for (const operation of Object.values(document.paths).flatMap(methods => Object.values(methods))) {
    // A deadline of a millisecond is a 504 by right.
    operation.parameters = operation.parameters.filter(({ name }) => name !== 'x-request-timeout-ms');
    for (const parameter of operation.parameters)
      if (parameter.name === 'Prefer') parameter.schema = mostly('respond-async', 'respond-async, wait=1');
  }
  return document;
}

/** Any string is allowed, these lead somewhere. */
function mostly(...useful: readonly string[]): Schema {
  return { anyOf: [{ enum: useful }, { type: 'string' }] };
}

async function uploadBatch(url: string, apiKey: string): Promise<string> {
  const body = { model: 'sim-chat', max_tokens: 2, messages: [{ role: 'user', content: 'Hello' }] };
  const line = { custom_id: 'one', method: 'POST', url: '/v1/chat/completions', body };
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new File([JSON.stringify(line)], 'one.jsonl'));
  const headers = { authorization: `Bearer ${apiKey}` };
  const answer = await fetch(`${url}/v1/files`, { method: 'POST', headers, body: form });
  return ((await answer.json()) as { id: string }).id;
}
