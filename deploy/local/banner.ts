/** What `npm start` prints once everything runs: where it is, how to get in, and what to try. */
import { styleText } from 'node:util';

export interface Banner {
  readonly url: string;
  readonly console: string;
  readonly keys: { readonly api: string; readonly admin: string };
  readonly model: string;
  /** Whether its engine is one of ours. */
  readonly isSimulated: boolean;
  /** Of which the directory of pid files is a part. */
  readonly dataDir: string;
}

type Style = 'bold' | 'cyan' | 'dim' | 'green';
type Paint = (style: Style | Style[], text: string) => string;

/** In colour where stdout is a terminal that has it: NO_COLOR, NODE_DISABLE_COLORS and FORCE_COLOR are heard. */
const forStdout: Paint = (style, text) => styleText(style, text, { stream: process.stdout });

/** Half a minute of a simulated engine: long enough to read who answers, and to kill it meanwhile. */
const TOKENS_TO_TRY = 4000;
/** An engine of one's own may have a short context. */
const OWN_TOKENS_TO_TRY = 1500;

/** For a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

export function banner(
  { url, console, keys, model, isSimulated, dataDir }: Banner,
  paint: Paint = forStdout,
): string {
  const row = (name: string, value: string) => `  ${paint('dim', name.padEnd(8))} ${paint('cyan', value)}`;
  const request = { model, stream: true, max_tokens: isSimulated ? TOKENS_TO_TRY : OWN_TOKENS_TO_TRY };
  const asked = { ...request, messages: [{ role: 'user', content: 'Tell me a long story' }] };
  return `
${paint(['bold', 'green'], 'Penstock is ready.')}

${row('URL', `${url}/v1`)}
${row('API key', keys.api)}

${row('Console', console)}
${row('Login', keys.admin)}

${paint('bold', 'Try it:')}

  curl -iN ${url}/v1/chat/completions \\
    -H "Authorization: Bearer ${keys.api}" \\
    -H "Content-Type: application/json" \\
    -d '${JSON.stringify(asked)}'

${paint('bold', 'While it answers, kill its worker in another terminal. The answer goes on, token for token.')}
Above the answer, x-penstock-worker names the worker; if it is not worker-1, put that one's name here:

  kill -9 $(cat ${quoted(`${dataDir}/run/worker-1.pid`)})

${paint('bold', 'In Python')} (pip install openai):

  from openai import OpenAI
  client = OpenAI(base_url="${url}/v1", api_key="${keys.api}")
  for chunk in client.chat.completions.create(
      model="${model}", stream=True, messages=[{"role": "user", "content": "Hello"}]
  ):
      print(chunk.choices[0].delta.content or "", end="", flush=True)

${paint('dim', 'Ctrl-C stops it.')}`;
}
