/** `docs/conformance.md`, from results. Nothing in it changes from run to run unless a result does. */
import { EXPLANATIONS } from './explanations.ts';
import { type CaseResult, countOf, type SuiteResult } from './suite.ts';

const INTRO = `# Conformance

What others' tests say about the API, run against the whole stack on one machine (nats-server, Redis, ingress, two workers, tasks) with
simulated engines: \`npm run conformance\` wrote this page. It installs the suites with pip into \`.tools/conformance-venv\`, from pinned
versions (\`test/conformance/requirements.txt\`), and fails when a failure is not explained below. The official Node client is tested
in \`npm test\`: every call of it that is served here is a named test in \`test/e2e/openai-client*.test.ts\`.
`;

const NOTES = `## What was run
- **openai-python**: \`test/conformance/openai_client.py\`, every call of the SDK that is served here. In strict mode the SDK validates each
  body and each event against its own types.
- **llm-comply**: both formats, with the OpenAPI documents that it brings (Open Responses; OpenAI's chat completions).
- **schemathesis**: the document at \`GET /openapi.json\`, all phases and all checks but \`positive_data_acceptance\` (what is right in form
  can be wrong in fact: an id of nothing, a response that is over). Before the run the document is narrowed (\`test/conformance/overlay.ts\`):
  models that exist, short answers, a file to make batches of, a webhook URL that may be called, no deadlines. Every failure it found has
  been mended.

Chat answers are the engine's own bytes: a field that an engine leaves out is missing for the client too.

## The Open Responses suite
The suite of github.com/openresponses/openresponses (17 tests) was run once by hand, at a fork's commit 92c12d9, with tsx and zod 3; it is not
part of the command. 8 passed: basic response, streaming response, system prompt, tool calling, image input, multi-turn, assistant phase, output
phase schema. 9 did not: 7 speak WebSocket and 2 ask for \`POST /v1/responses/compact\`; neither is served.
`;

export function conformancePage(results: readonly SuiteResult[]): string {
  const rows = results.map(result => {
    const counts = (['passed', 'failed', 'skipped'] as const).map(status => countOf(result, status));
    return `| ${result.judge} | ${result.unit} | ${counts.join(' | ')} |`;
  });
  const table = ['| suite | counts | passed | failed | skipped |', '|---|---|--:|--:|--:|', ...rows].join(
    '\n',
  );
  return [INTRO, table, '', explained(results), NOTES].join('\n');
}

function explained(results: readonly SuiteResult[]): string {
  const lines = results.flatMap(result =>
    result.cases
      .filter(isRemarkable(result))
      .map(
        each =>
          `| ${result.suite} | \`${each.name}\` | ${each.status} | ${reasonOf(result, each) ?? each.detail} |`,
      ),
  );
  return [
    '## Failed, skipped or passed with a remark',
    '',
    '| suite | case | | why |',
    '|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

function isRemarkable(result: SuiteResult) {
  return (each: CaseResult) => each.status !== 'passed' || reasonOf(result, each) !== undefined;
}

function reasonOf({ suite }: SuiteResult, { name }: CaseResult): string | undefined {
  return EXPLANATIONS[suite]?.[name];
}

/** Failures nobody explained, and explanations of what no longer fails or is gone. */
export function unexplained(results: readonly SuiteResult[]): string[] {
  return results.flatMap(result => [
    ...result.cases
      .filter(each => each.status !== 'passed' && reasonOf(result, each) === undefined)
      .map(each => `${result.suite}: ${each.name} ${each.status}, and nobody says why: ${each.detail}`),
    ...Object.keys(EXPLANATIONS[result.suite] ?? {})
      .filter(
        name =>
          !result.cases.some(each => each.name === name && (each.status !== 'passed' || each.detail !== '')),
      )
      .map(name => `${result.suite}: ${name} is explained but passes without a remark`),
  ]);
}
