/** Operations on stored chat completions. */
import { type Operation, paging, query } from './operation.ts';
import { text } from './schema.ts';

const path = '/v1/chat/completions';

export const COMPLETION_OPERATIONS: readonly Operation[] = [
  {
    method: 'get',
    path,
    id: 'listChatCompletions',
    summary: 'Completions stored with `store: true`, oldest first unless asked otherwise',
    parameters: [
      query('model', text),
      query('metadata[key]', text, 'Only those with this value under the key.'),
      ...paging(100),
    ],
    answers: { 200: ['ChatCompletionList'] },
  },
  {
    method: 'get',
    path: `${path}/{id}`,
    id: 'retrieveChatCompletion',
    summary: 'A stored completion; 202 while one that was asked for with `respond-async` is not done',
    answers: { 200: ['ChatCompletion', 'Job'], 202: ['Job'] },
  },
  {
    method: 'post',
    path: `${path}/{id}`,
    id: 'updateChatCompletion',
    summary: 'Replaces its metadata',
    body: 'UpdateChatCompletion',
    answers: { 200: ['ChatCompletion'] },
  },
  {
    method: 'delete',
    path: `${path}/{id}`,
    id: 'deleteChatCompletion',
    summary: 'Forgets it',
    answers: { 200: ['DeletedChatCompletion'] },
  },
  {
    method: 'get',
    path: `${path}/{id}/messages`,
    id: 'listChatCompletionMessages',
    summary: 'The messages it answers',
    parameters: paging(100),
    answers: { 200: ['ChatMessageList'] },
  },
];
