/** Why a case fails or is skipped, where that is not ours to mend. A failure that is not here fails the run. */
export const EXPLANATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'openai-python': {
    chat_stored_messages_list:
      'The SDK’s type for a stored message is that of an answer, whose role is `assistant`; the list is of the messages that were asked with, of whatever role. The call works without the strict mode (`chat_stored_messages_list_not_strict`).',
    completions_create_stream:
      'The SDK’s type for a streamed chunk is that of a whole completion, whose `finish_reason` must not be null; a chunk in the middle of a stream has no reason yet. The call works without the strict mode (`completions_create_stream_not_strict`).',
    embeddings_create_default:
      'Where the caller names no format the SDK itself asks for base64, and validates the answer against a list of floats before it decodes it: no server can pass. The call works without the strict mode (`embeddings_create_default_not_strict`), and with `encoding_format="float"` in it.',
  },
  'llm-comply open-responses': {
    'reasoning-summary':
      'The suite runs it only for models with certain names (o1, o3, gpt-5, …); the engine here is simulated.',
  },
  'llm-comply openai-chat': {
    'chat-reasoning-summary':
      'The suite runs it only for models with certain names (o1, o3, gpt-5, …); the engine here is simulated.',
  },
  schemathesis: {},
};
