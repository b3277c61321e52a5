/** What clients get from a real engine, compared with what it answers when it is called directly. */
import assert from 'node:assert/strict';
import { chat, postTo, readEvents, throughStack } from './calls.ts';
import type { LlamaServer } from './llama-cpp.ts';
import type { TestBed } from './test-bed.ts';

export function answerChecks({ stack, engines, embedder }: TestBed): Record<string, () => Promise<void>> {
  const via = throughStack(stack);
  const direct = (path: string, body: object, engine: LlamaServer = engines[0] as LlamaServer) =>
    postTo(engine.url, path, body);
  return {
    'models of all engines are listed': async () => {
      const answer = await via('/v1/models', undefined);
      const ids = ((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
      assert.deepEqual(ids.toSorted(), ['tiny', 'tiny-embed']);
    },
    'a plain answer is what the engine says': async () => {
      const body = chat('How long is a piece of string?', { max_tokens: 40 });
      const [ours, its] = [
        await via('/v1/chat/completions', body),
        await direct('/v1/chat/completions', body),
      ];
      const [a, b] = [(await ours.json()) as Completion, (await its.json()) as Completion];
      assert.equal(a.choices[0]?.message.content, b.choices[0]?.message.content);
      assert.equal(a.choices[0]?.finish_reason, b.choices[0]?.finish_reason);
      assert.equal(a.usage.completion_tokens, 40);
      assert.equal(a.usage.prompt_tokens, b.usage.prompt_tokens);
    },
    'a stream has the same text, one finish reason and the usage': async () => {
      const body = chat('Write to me.', {
        max_tokens: 60,
        stream: true,
        stream_options: { include_usage: true },
      });
      const ours = await readEvents(await via('/v1/chat/completions', body));
      const its = await readEvents(await direct('/v1/chat/completions', body));
      assert.equal(ours.text, its.text);
      assert.deepEqual(ours.finishReasons, ['length']);
      assert.equal(ours.usage?.completion_tokens, 60);
      assert.ok(ours.done);
    },
    'a stop sequence ends the answer where the engine ends it': async () => {
      const body = chat('Tell me of the way down.', { max_tokens: 80, stream: true });
      const word =
        (await readEvents(await direct('/v1/chat/completions', body))).text.trim().split(' ')[20] ?? '';
      const stopped = { ...body, stop: [word] };
      const ours = await readEvents(await via('/v1/chat/completions', stopped));
      const its = await readEvents(await direct('/v1/chat/completions', stopped));
      assert.equal(ours.text, its.text);
      assert.deepEqual(ours.finishReasons, ['stop']);
    },
    'a legacy completion, of text and of token ids': async () => {
      for (const prompt of ['the house of', [104, 111, 117, 115]]) {
        const body = { model: 'tiny', prompt, max_tokens: 12, temperature: 0 };
        const ours = (await (await via('/v1/completions', body)).json()) as TextCompletion;
        const its = (await (await direct('/v1/completions', body)).json()) as TextCompletion;
        assert.deepEqual(ours.choices, its.choices);
        assert.deepEqual(Object.keys(ours).sort(), Object.keys(its).sort());
        assert.deepEqual(
          [ours.object, ours.usage.completion_tokens, ours.usage.prompt_tokens],
          [its.object, its.usage.completion_tokens, its.usage.prompt_tokens],
        );
      }
    },
    'embeddings of several texts': async () => {
      const body = { model: 'tiny-embed', input: ['one text', 'another text'] };
      const ours = (await (await via('/v1/embeddings', body)).json()) as Embeddings;
      const its = (await (await direct('/v1/embeddings', body, embedder)).json()) as Embeddings;
      assert.equal(ours.data.length, 2);
      assert.deepEqual(ours.data, its.data);
    },
    'an engine without embeddings is asked once, and its words are passed on': async () => {
      const answer = await via('/v1/embeddings', { model: 'tiny', input: 'a text' });
      assert.ok([400, 404, 501].includes(answer.status), `status ${answer.status}`);
      assert.match(await answer.text(), /embedding/i);
    },
    'a prompt beyond the context is the client’s error, in the engine’s words': async () => {
      const answer = await via('/v1/chat/completions', chat('beyond '.repeat(3000)));
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), /context/);
    },
    'fields that only the engine knows arrive': async () => {
      const body = chat('Go on.', { max_tokens: 20, ignore_eos: false, grammar: 'root ::= "yes"' });
      const answer = (await (await via('/v1/chat/completions', body)).json()) as Completion;
      assert.equal(answer.choices[0]?.message.content, 'yes');
    },
    'a response, streamed and then retrieved': async () => {
      const body = { model: 'tiny', input: 'What now?', max_output_tokens: 20, temperature: 0, stream: true };
      const text = await (await via('/v1/responses', body)).text();
      const id = /"id":"(resp_[^"]+)"/.exec(text)?.[1] ?? '';
      const last = text.split('\n').findLast(line => line.startsWith('data: {')) ?? 'data: {}';
      const streamed = (JSON.parse(last.slice(6)) as { response: { output: unknown } }).response;
      const stored = (await (await via(`/v1/responses/${id}`, undefined)).json()) as { output: unknown };
      assert.deepEqual(stored.output, streamed.output);
    },
    'a response in the background': async () => {
      const body = { model: 'tiny', input: 'Later.', max_output_tokens: 20, background: true };
      let answer = (await (await via('/v1/responses', body)).json()) as { id: string; status: string };
      for (let polls = 0; polls < 600 && ['queued', 'in_progress'].includes(answer.status); polls++) {
        await new Promise(resolve => setTimeout(resolve, 50));
        answer = (await (await via(`/v1/responses/${answer.id}`, undefined)).json()) as typeof answer;
      }
      assert.ok(['completed', 'incomplete'].includes(answer.status), answer.status);
    },
  };
}

interface TextCompletion {
  readonly object: string;
  readonly choices: readonly object[];
  readonly usage: { readonly completion_tokens: number; readonly prompt_tokens: number };
}

interface Completion {
  readonly choices: { readonly message: { readonly content: string }; readonly finish_reason: string }[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

interface Embeddings {
  readonly data: { readonly embedding: readonly number[]; readonly index: number }[];
}
