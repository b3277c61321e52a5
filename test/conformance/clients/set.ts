/** Clients and frameworks that people point at such an API, each with scripts of its own. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { API_KEY, type Stack, startStack } from '../../../testkit/stack.ts';
import { ensurePython, must, type Ran, runProgram } from '../programs.ts';
import { type CaseResult, ConformanceError, type Say, type SuiteResult, type SuiteSet } from '../suite.ts';

const PYTHON = join(import.meta.dirname, 'python');
const NODE = join(import.meta.dirname, 'node');
/** Node finds packages beside the scripts, and installed packages do not belong into the checkout: the scripts are copied there. */
const NODE_HOME = resolve(import.meta.dirname, '../../../.tools/conformance-clients-node');

/** Script, the package whose version is shown, and what people call it. */
const PYTHON_CLIENTS = [
  ['agents_sdk', 'openai-agents', 'OpenAI Agents SDK (Python)'],
  ['langchain_client', 'langchain-openai', 'LangChain'],
  ['llama_index_client', 'llama-index-llms-openai-like', 'LlamaIndex'],
  ['pydantic_ai_client', 'pydantic-ai-slim', 'Pydantic AI'],
  ['instructor_client', 'instructor', 'Instructor'],
  ['litellm_client', 'litellm', 'LiteLLM'],
  ['anthropic_client', 'anthropic', 'Anthropic SDK (Python)'],
] as const;
const NODE_CLIENTS = [
  ['agents-sdk', '@openai/agents', 'OpenAI Agents SDK (Node)'],
  ['ai-sdk', 'ai', 'Vercel AI SDK'],
  ['anthropic', '@anthropic-ai/sdk', 'Anthropic SDK (Node)'],
  ['codex', '@openai/codex', 'Codex'],
] as const;

const NOTES = `Clients and frameworks, each with a few calls as its users write them (\`test/conformance/clients\`) in pinned versions: text, streams, tool
loops, structured answers, conversations, embeddings. The engines are simulated: they call the first tool that they are offered until they are
shown a result. OpenAI's own clients are judged above and in \`npm test\`. \`PENSTOCK_CLIENTS=langchain_client,codex\` runs some of them.`;

/** Scripts that are to run; all where it is undefined. */
const only = process.env['PENSTOCK_CLIENTS']?.split(',');

export const CLIENTS: SuiteSet = {
  title: 'Clients',
  notes: NOTES,
  partial: only !== undefined,
  async run(say) {
    const wanted = ([script]: readonly [string, ...unknown[]]) => only?.includes(script) ?? true;
    const engine = { profile: 'dense-8b-h100' };
    await using stack = await startStack({ engines: [engine, engine], tasksEnv: {} });
    const results: SuiteResult[] = [];
    for (const client of PYTHON_CLIENTS.filter(wanted)) results.push(await pythonClient(client, stack, say));
    const node = NODE_CLIENTS.filter(wanted);
    if (node.length > 0) installNode(say);
    for (const client of node) results.push(await nodeClient(client, stack));
    return results;
  },
};

async function pythonClient(
  [script, name, title]: (typeof PYTHON_CLIENTS)[number],
  stack: Stack,
  say: Say,
): Promise<SuiteResult> {
  const python = ensurePython(script, join(PYTHON, `${script}.txt`), say);
  const ran = await inDirectory(dir =>
    python.run('python', [join(PYTHON, `${script}.py`), stack.url, API_KEY], dir),
  );
  return {
    suite: name,
    judge: `${title} ${python.version(name)}`,
    unit: 'calls',
    cases: casesOf(ran, script),
  };
}

async function nodeClient(
  [script, name, title]: (typeof NODE_CLIENTS)[number],
  stack: Stack,
): Promise<SuiteResult> {
  const { dependencies } = JSON.parse(readFileSync(join(NODE, 'package.json'), 'utf8'));
  const path = join(NODE_HOME, `${script}.js`);
  const ran = await inDirectory(dir => runProgram(process.execPath, [path, stack.url, API_KEY], dir));
  return { suite: name, judge: `${title} ${dependencies[name]}`, unit: 'calls', cases: casesOf(ran, script) };
}

function installNode(say: Say): void {
  const lock = readFileSync(join(NODE, 'package-lock.json'), 'utf8');
  const stamp = join(NODE_HOME, 'installed.json');
  const installed = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
  cpSync(NODE, NODE_HOME, { recursive: true });
  if (installed) return;
  say('installing npm packages (minutes, once)');
  must('npm', ['ci', '--silent'], 'npm needs its registry.', NODE_HOME);
  writeFileSync(stamp, lock);
}

async function inDirectory(run: (dir: string) => Promise<Ran>): Promise<Ran> {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-client-'));
  try {
    return await run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** @throws ConformanceError where a script said nothing. */
function casesOf({ code, out, err }: Ran, script: string): CaseResult[] {
  const cases = out
    .split('\n')
    .filter(line => line.startsWith('{"name"'))
    .map(line => JSON.parse(line) as CaseResult);
  if (cases.length === 0)
    throw new ConformanceError(`${script} left with ${code} and no result.\n${err.slice(-2000)}`);
  return cases;
}
