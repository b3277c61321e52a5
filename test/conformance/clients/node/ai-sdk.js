/** Vercel's AI SDK with both of its providers for such APIs. */
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { API_KEY, assert, BASE_URL, CHAT, collect, EMBED, run, weather } from './report.js';

const openai = createOpenAI({ baseURL: BASE_URL, apiKey: API_KEY });
const compatible = createOpenAICompatible({ name: 'penstock', baseURL: BASE_URL, apiKey: API_KEY });
const models = { responses: openai(CHAT), chat: openai.chat(CHAT), compatible: compatible(CHAT) };
const tools = {
  weather: tool({
    description: 'What the weather is like.',
    inputSchema: z.object({ city: z.string() }),
    execute: async input => weather(input),
  }),
};
const ask = { prompt: 'Tell me about rivers.', maxOutputTokens: 20, maxRetries: 0 };

const checks = Object.fromEntries(
  Object.entries(models).flatMap(([name, model]) => [
    [
      `${name}_generate_text`,
      async () => {
        const { text, usage } = await generateText({ model, ...ask });
        assert.ok(text);
        assert.equal(usage.outputTokens, 20);
      },
    ],
    [
      `${name}_stream_text`,
      async () => {
        const result = streamText({ model, ...ask, onError: ({ error }) => assert.fail(error) });
        const pieces = await collect(result.textStream);
        assert.ok(pieces.length > 10);
        assert.equal(pieces.join(''), (await generateText({ model, ...ask })).text);
      },
    ],
    [
      `${name}_tool_loop`,
      async () => {
        const result = await generateText({ model, ...ask, tools, stopWhen: stepCountIs(4) });
        assert.equal(result.steps.length, 2);
        assert.ok(result.text);
      },
    ],
    [
      `${name}_tool_loop_streamed`,
      async () => {
        const result = streamText({ model, ...ask, tools, stopWhen: stepCountIs(4) });
        await result.consumeStream();
        assert.equal((await result.steps).length, 2);
        assert.ok(await result.text);
      },
    ],
  ]),
);

await run({
  ...checks,
  async embed_many() {
    const { embeddings } = await embedMany({ model: openai.embedding(EMBED), values: ['one', 'two'] });
    assert.equal(embeddings.length, 2);
  },
  async compatible_embed_many() {
    const model = compatible.embeddingModel(EMBED);
    assert.equal((await embedMany({ model, values: ['one', 'two'] })).embeddings.length, 2);
  },
});
