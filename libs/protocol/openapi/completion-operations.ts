/** Operations on stored chat completions. */
import { type Operation, paging, query } from './operation.ts';
import { text } from './schema.ts';

const path = '/v1/chat/completions';

export const COMPLETION_OPERATIONS: readonly Operation[] = [
  {
    method: 'get',
    path,
    id: 'listChatCompletions',
    summary: 'List the completions stored with `store: true`, oldest first by default',
    parameters: [
      query('model', text),
      query('metadata[key]', text, 'Only completions whose metadata has this value for the key.'),
      ...paging(100),
    ],
    answers: { 200: ['ChatCompletionList'] },
  },
  {
    method: 'get',
    path: `${path}/{id}`,
    id: 'retrieveChatCompletion',
    summary: 'Retrieve a stored completion; 202 while it is still running (`respond-async`)',
    answers: { 200: ['ChatCompletion', 'Job'], 202: ['Job'] },
  },
  {
    method: 'post',
    path: `${path}/{id}`,
    id: 'updateChatCompletion',
    summary: 'Replace the metadata of a stored completion',
    body: 'UpdateChatCompletion',
    answers: { 200: ['ChatCompletion'] },
  },
  {
    method: 'delete',
    path: `${path}/{id}`,
    id: 'deleteChatCompletion',
    summary: 'Delete a stored completion',
    answers: { 200: ['DeletedChatCompletion'] },
  },
  {
    method: 'get',
    path: `${path}/{id}/messages`,
    id: 'listChatCompletionMessages',
    summary: 'List the messages of the request',
    parameters: paging(100),
    answers: { 200: ['ChatMessageList'] },
  },
];
