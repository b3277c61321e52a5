/** Anthropic's client on /v1/messages. */
import Anthropic from '@anthropic-ai/sdk';
import { API_KEY, assert, CHAT, ORIGIN, run } from './report.js';

const client = new Anthropic({ baseURL: ORIGIN, apiKey: API_KEY, maxRetries: 0 });
const question = { model: CHAT, max_tokens: 20, messages: [{ role: 'user', content: 'Tell me about rivers.' }] };
const input_schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ name: 'weather', description: 'What the weather is like.', input_schema }];

await run({
  async create() {
    const message = await client.messages.create(question);
    assert.ok(message.content[0].text);
    assert.equal(message.usage.output_tokens, 20);
  },
  async stream_helper() {
    const stream = client.messages.stream(question);
    let text = '';
    stream.on('text', piece => {
      text += piece;
    });
    const message = await stream.finalMessage();
    assert.equal(message.content[0].text, text);
    assert.equal(message.stop_reason, 'max_tokens');
  },
  async tool_stream() {
    const message = await client.messages.stream({ ...question, tools }).finalMessage();
    assert.deepEqual(message.content.find(({ type }) => type === 'tool_use').input, { city: 'river' });
  },
  async count_tokens() {
    const { input_tokens } = await client.messages.countTokens({ model: CHAT, messages: question.messages });
    assert.ok(input_tokens > 0);
  },
  async not_found_has_its_class() {
    await assert.rejects(client.messages.create({ ...question, model: 'no-such-model' }), Anthropic.NotFoundError);
  },
});
