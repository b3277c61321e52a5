/** Operations on what is kept: files, batches, webhook endpoints. */
import { FILE_PURPOSES } from '../batches/file.ts';
import { type Operation, paging, query } from './operation.ts';

const files: Operation[] = [
  {
    method: 'post',
    path: '/v1/files',
    id: 'createFile',
    summary: 'Uploads a file',
    body: 'CreateFile',
    answers: { 200: ['File'] },
  },
  {
    method: 'get',
    path: '/v1/files',
    id: 'listFiles',
    summary: 'Files of this key',
    parameters: [query('purpose', { enum: [...FILE_PURPOSES, 'batch_output'] }), ...paging(10_000)],
    answers: { 200: ['FileList'] },
  },
  {
    method: 'get',
    path: '/v1/files/{id}',
    id: 'retrieveFile',
    summary: 'About a file',
    answers: { 200: ['File'] },
  },
  {
    method: 'delete',
    path: '/v1/files/{id}',
    id: 'deleteFile',
    summary: 'Deletes a file',
    answers: { 200: ['DeletedFile'] },
  },
  {
    method: 'get',
    path: '/v1/files/{id}/content',
    id: 'downloadFile',
    summary: 'The bytes',
    answers: { 200: ['application/octet-stream'] },
  },
];

const batches: Operation[] = [
  {
    method: 'post',
    path: '/v1/batches',
    id: 'createBatch',
    summary: 'Starts a batch',
    body: 'CreateBatch',
    answers: { 200: ['Batch'] },
  },
  {
    method: 'get',
    path: '/v1/batches',
    id: 'listBatches',
    summary: 'Batches of this key',
    parameters: paging(100),
    answers: { 200: ['BatchList'] },
  },
  {
    method: 'get',
    path: '/v1/batches/{id}',
    id: 'retrieveBatch',
    summary: 'How far a batch is',
    answers: { 200: ['Batch'] },
  },
  {
    method: 'post',
    path: '/v1/batches/{id}/cancel',
    id: 'cancelBatch',
    summary: 'Stops a batch',
    answers: { 200: ['Batch'] },
  },
];

const ENDPOINTS = '/v1/webhook_endpoints';
const webhooks: Operation[] = [
  {
    method: 'post',
    path: ENDPOINTS,
    id: 'createWebhookEndpoint',
    summary: 'Where events are sent; the secret is shown this once',
    body: 'CreateWebhookEndpoint',
    answers: { 200: ['WebhookEndpointWithSecret'] },
  },
  {
    method: 'get',
    path: ENDPOINTS,
    id: 'listWebhookEndpoints',
    summary: 'Endpoints of this key',
    parameters: paging(100),
    answers: { 200: ['WebhookEndpointList'] },
  },
  ...at('{id}', [
    {
      method: 'get',
      id: 'retrieveWebhookEndpoint',
      summary: 'An endpoint and how it does',
      answers: { 200: ['WebhookEndpoint'] },
    },
    {
      method: 'post',
      id: 'updateWebhookEndpoint',
      summary: 'Changes an endpoint, or switches it',
      body: 'UpdateWebhookEndpoint',
      bodyMayLack: true,
      answers: { 200: ['WebhookEndpoint'] },
    },
    {
      method: 'delete',
      id: 'deleteWebhookEndpoint',
      summary: 'Deletes an endpoint',
      answers: { 200: ['DeletedWebhookEndpoint'] },
    },
  ]),
  ...at('{id}/rotate_secret', [
    {
      method: 'post',
      id: 'rotateWebhookSecret',
      summary: 'A new secret; the old one may sign on for a while',
      body: 'RotateWebhookSecret',
      bodyMayLack: true,
      answers: { 200: ['WebhookEndpointWithSecret'] },
    },
  ]),
  ...at('{id}/test', [
    {
      method: 'post',
      id: 'testWebhookEndpoint',
      summary: 'Sends an event about nothing, now',
      body: 'TestWebhookEndpoint',
      answers: { 200: ['WebhookEndpointTest'] },
    },
  ]),
  ...at('{id}/deliveries', [
    {
      method: 'get',
      id: 'listWebhookDeliveries',
      summary: 'What was sent, and every attempt at it',
      parameters: paging(100),
      answers: { 200: ['WebhookDeliveryList'] },
    },
  ]),
  ...at('{id}/deliveries/{delivery}', [
    {
      method: 'get',
      id: 'retrieveWebhookDelivery',
      summary: 'One delivery',
      answers: { 200: ['WebhookDelivery'] },
    },
  ]),
  ...at('{id}/deliveries/{delivery}/redeliver', [
    {
      method: 'post',
      id: 'redeliverWebhook',
      summary: 'Sends the same event again',
      answers: { 200: ['WebhookDelivery'] },
    },
  ]),
  {
    method: 'get',
    path: '/v1/webhook_event_types',
    id: 'listWebhookEventTypes',
    summary: 'Events there are',
    answers: { 200: ['WebhookEventTypeList'] },
  },
];

function at(path: string, here: readonly Omit<Operation, 'path'>[]): Operation[] {
  return here.map(operation => ({ ...operation, path: `${ENDPOINTS}/${path}` }));
}

export const STORED_OPERATIONS: readonly Operation[] = [...files, ...batches, ...webhooks];
