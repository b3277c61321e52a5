/** Real engines behind a real stack. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack } from '../../../testkit/stack.ts';
import { ensurePython } from '../programs.ts';
import { ConformanceError, runChecks, type SuiteSet } from '../suite.ts';
import { answerChecks } from './answers.ts';
import { ensureLlamaServer, LLAMA_CPP, type LlamaServer, startLlama } from './llama-cpp.ts';
import { loadChecks } from './load.ts';
import type { TestBed } from './test-bed.ts';

const NOTES = `A real engine on the CPU: llama.cpp's server, built from source, three processes of it with two slots each (two for chat, one for
embeddings), each with a worker of its own. The model is made on the spot (\`test/conformance/engines/tiny_model.py\`): a llama of four layers with
random weights, so the arithmetic, the tokenizer and the caches are real and the words have no sense. \`PENSTOCK_LLAMA_SERVER\` names a binary of
your own.`;

export const ENGINES: SuiteSet = {
  title: 'Real engines',
  notes: NOTES,
  async run(say) {
    const binary = ensureLlamaServer(say);
    const python = ensurePython('engines', join(import.meta.dirname, 'requirements.txt'), say);
    const dir = mkdtempSync(join(tmpdir(), 'penstock-engines-'));
    const model = join(dir, 'tiny.gguf');
    const script = join(import.meta.dirname, 'tiny_model.py');
    const made = await python.run('python', [script, model], dir);
    if (made.code !== 0)
      throw new ConformanceError(`${script} left with ${made.code}.\n${made.err.slice(-2000)}`);
    const chat = { model, name: 'tiny', slots: 2 };
    const engines = await Promise.all([startLlama(binary, chat), startLlama(binary, chat)]);
    const embedder = await startLlama(binary, { model, name: 'tiny-embed', slots: 2, embeddings: true });
    try {
      const engineUrls = [...engines, embedder].map(({ url }) => url);
      await using stack = await startStack({ engineUrls, tasksEnv: {} });
      const bed: TestBed = {
        stack,
        engines,
        embedder,
        async restart(index) {
          const { port } = engines[index] as LlamaServer;
          engines[index] = await startLlama(binary, { ...chat, port });
        },
      };
      const cases = await runChecks({ ...answerChecks(bed), ...loadChecks(bed) }, say);
      return [{ suite: 'llama.cpp', judge: LLAMA_CPP, unit: 'checks', cases }];
    } finally {
      await Promise.all([...engines, embedder].map(({ process }) => process.stop()));
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
