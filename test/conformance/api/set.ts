/** Other people's test suites for the API, against simulated engines. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_KEY, startStack } from '../../../testkit/stack.ts';
import { ensurePython } from '../programs.ts';
import type { SuiteResult, SuiteSet } from '../suite.ts';
import { SUITES } from './suites.ts';

/** Suites receive webhooks on loopback. */
const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
const ENGINE = { profile: 'dense-8b-h100', listSentinels: true };

const NOTES = `What others' tests say about the API, run against the whole stack on one machine (nats-server, Redis, ingress, two workers, tasks) with
simulated engines. The suites are installed with pip into \`.tools\`, from pinned versions (\`test/conformance/api/requirements.txt\`). The
official Node client is tested in \`npm test\`: every call of it that is served here is a named test in \`test/e2e/openai-client*.test.ts\`.

- **openai-python**: \`test/conformance/api/openai_client.py\`, every call of the SDK that is served here. In strict mode the SDK validates each
  body and each event against its own types.
- **llm-comply**: both formats, with the OpenAPI documents that it brings (Open Responses; OpenAI's chat completions).
- **schemathesis**: the document at \`GET /openapi.json\`, all phases and all checks but \`positive_data_acceptance\` (what is right in form
  can be wrong in fact: an id of nothing, a response that is over). Before the run the document is narrowed (\`test/conformance/api/overlay.ts\`):
  models that exist, short answers, a file to make batches of, a webhook URL that may be called, no deadlines. Every failure it found has
  been mended.

Chat answers are the engine's own bytes: a field that an engine leaves out is missing for the client too.

The suite of github.com/openresponses/openresponses (17 tests) was run once by hand, at a fork's commit 92c12d9, with tsx and zod 3; it is not
part of the command. 8 passed: basic response, streaming response, system prompt, tool calling, image input, multi-turn, assistant phase, output
phase schema. 9 did not: 7 speak WebSocket and 2 ask for \`POST /v1/responses/compact\`; neither was served then.`;

export const API: SuiteSet = {
  title: 'Test suites of others',
  notes: NOTES,
  async run(say) {
    const python = ensurePython('api', join(import.meta.dirname, 'requirements.txt'), say);
    const results: SuiteResult[] = [];
    const dir = mkdtempSync(join(tmpdir(), 'penstock-conformance-'));
    await using stack = await startStack({ engines: [ENGINE, ENGINE], ingressEnv: ALLOW, tasksEnv: ALLOW });
    try {
      for (const suite of SUITES) results.push(await suite(python, { url: stack.url, apiKey: API_KEY, dir }));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
    return results;
  },
};
