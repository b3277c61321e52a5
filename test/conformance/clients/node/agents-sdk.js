/** OpenAI's Agents SDK, over both of its model interfaces. */
import {
  Agent,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  run as runAgent,
  setTracingDisabled,
  tool,
} from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';
import { API_KEY, assert, BASE_URL, CHAT, collect, run, weather } from './report.js';

setTracingDisabled(true);
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0 });
const tools = [
  tool({
    name: 'weather',
    description: 'What the weather is like.',
    parameters: z.object({ city: z.string() }),
    execute: async input => weather(input),
  }),
];
const guide = (Model, more = {}) =>
  new Agent({
    name: 'Guide',
    instructions: 'Be brief.',
    model: new Model(client, CHAT),
    // No limit on tokens: an answer that is cut short is an error to this SDK.
    modelSettings: { temperature: 0 },
    ...more,
  });

const loops = Object.fromEntries(
  Object.entries({ responses: OpenAIResponsesModel, chat: OpenAIChatCompletionsModel }).flatMap(
    ([name, Model]) => [
      [
        `${name}_loop`,
        async () => {
          const result = await runAgent(guide(Model, { tools }), 'What is the weather?');
          const kinds = result.newItems.map(({ type }) => type);
          assert.deepEqual(kinds, ['tool_call_item', 'tool_call_output_item', 'message_output_item']);
          assert.ok(result.finalOutput);
        },
      ],
      [
        `${name}_streamed`,
        async () => {
          const result = await runAgent(guide(Model, { tools }), 'What is the weather?', { stream: true });
          const pieces = await collect(result.toTextStream());
          await result.completed;
          assert.ok(pieces.length > 5);
        },
      ],
    ],
  ),
);

await run({
  ...loops,
  async responses_previous_response_id() {
    const agent = guide(OpenAIResponsesModel);
    const { lastResponseId } = await runAgent(agent, 'Tell me about rivers.');
    const result = await runAgent(agent, 'And lakes?', { previousResponseId: lastResponseId });
    assert.ok(result.finalOutput);
  },
  async conversation_id() {
    const { id } = await client.conversations.create({});
    const agent = guide(OpenAIResponsesModel);
    await runAgent(agent, 'Tell me about rivers.', { conversationId: id });
    assert.ok((await runAgent(agent, 'And lakes?', { conversationId: id })).finalOutput);
    assert.equal((await client.conversations.items.list(id)).data.length, 4);
  },
});
