/** Operations on files, batches and webhook endpoints. */
import { FILE_PURPOSES } from '../batches/file.ts';
import { type Operation, paging, query } from './operation.ts';

const files: Operation[] = [
  {
    method: 'post',
    path: '/v1/files',
    id: 'createFile',
    summary: 'Upload a file',
    body: 'CreateFile',
    answers: { 200: ['File'] },
  },
  {
    method: 'get',
    path: '/v1/files',
    id: 'listFiles',
    summary: 'List the files of this API key',
    parameters: [query('purpose', { enum: [...FILE_PURPOSES, 'batch_output'] }), ...paging(10_000)],
    answers: { 200: ['FileList'] },
  },
  {
    method: 'get',
    path: '/v1/files/{id}',
    id: 'retrieveFile',
    summary: 'Retrieve a file',
    answers: { 200: ['File'] },
  },
  {
    method: 'delete',
    path: '/v1/files/{id}',
    id: 'deleteFile',
    summary: 'Delete a file',
    answers: { 200: ['DeletedFile'] },
  },
  {
    method: 'get',
    path: '/v1/files/{id}/content',
    id: 'downloadFile',
    summary: 'Download the content of a file',
    answers: { 200: ['application/octet-stream'] },
  },
];

const batches: Operation[] = [
  {
    method: 'post',
    path: '/v1/batches',
    id: 'createBatch',
    summary: 'Create a batch',
    body: 'CreateBatch',
    answers: { 200: ['Batch'] },
  },
  {
    method: 'get',
    path: '/v1/batches',
    id: 'listBatches',
    summary: 'List the batches of this API key',
    parameters: paging(100),
    answers: { 200: ['BatchList'] },
  },
  {
    method: 'get',
    path: '/v1/batches/{id}',
    id: 'retrieveBatch',
    summary: 'Retrieve a batch',
    answers: { 200: ['Batch'] },
  },
  {
    method: 'post',
    path: '/v1/batches/{id}/cancel',
    id: 'cancelBatch',
    summary: 'Cancel a batch',
    answers: { 200: ['Batch'] },
  },
];

const ENDPOINTS = '/v1/webhook_endpoints';
const webhooks: Operation[] = [
  {
    method: 'post',
    path: ENDPOINTS,
    id: 'createWebhookEndpoint',
    summary: 'Create a webhook endpoint; its signing secret is shown only now',
    body: 'CreateWebhookEndpoint',
    answers: { 200: ['WebhookEndpointWithSecret'] },
  },
  {
    method: 'get',
    path: ENDPOINTS,
    id: 'listWebhookEndpoints',
    summary: 'List the webhook endpoints of this API key',
    parameters: paging(100),
    answers: { 200: ['WebhookEndpointList'] },
  },
  ...at('{id}', [
    {
      method: 'get',
      id: 'retrieveWebhookEndpoint',
      summary: 'Retrieve a webhook endpoint and its state',
      answers: { 200: ['WebhookEndpoint'] },
    },
    {
      method: 'post',
      id: 'updateWebhookEndpoint',
      summary: 'Change a webhook endpoint, or enable or disable it',
      body: 'UpdateWebhookEndpoint',
      bodyMayLack: true,
      answers: { 200: ['WebhookEndpoint'] },
    },
    {
      method: 'delete',
      id: 'deleteWebhookEndpoint',
      summary: 'Delete a webhook endpoint',
      answers: { 200: ['DeletedWebhookEndpoint'] },
    },
  ]),
  ...at('{id}/rotate_secret', [
    {
      method: 'post',
      id: 'rotateWebhookSecret',
      summary: 'Replace the signing secret; the old one may stay valid for a while',
      body: 'RotateWebhookSecret',
      bodyMayLack: true,
      answers: { 200: ['WebhookEndpointWithSecret'] },
    },
  ]),
  ...at('{id}/test', [
    {
      method: 'post',
      id: 'testWebhookEndpoint',
      summary: 'Send a test event now',
      body: 'TestWebhookEndpoint',
      answers: { 200: ['WebhookEndpointTest'] },
    },
  ]),
  ...at('{id}/deliveries', [
    {
      method: 'get',
      id: 'listWebhookDeliveries',
      summary: 'List deliveries with every attempt',
      parameters: paging(100),
      answers: { 200: ['WebhookDeliveryList'] },
    },
  ]),
  ...at('{id}/deliveries/{delivery}', [
    {
      method: 'get',
      id: 'retrieveWebhookDelivery',
      summary: 'Retrieve a delivery',
      answers: { 200: ['WebhookDelivery'] },
    },
  ]),
  ...at('{id}/deliveries/{delivery}/redeliver', [
    {
      method: 'post',
      id: 'redeliverWebhook',
      summary: 'Send the same event again',
      answers: { 200: ['WebhookDelivery'] },
    },
  ]),
  {
    method: 'get',
    path: '/v1/webhook_event_types',
    id: 'listWebhookEventTypes',
    summary: 'List the event types',
    answers: { 200: ['WebhookEventTypeList'] },
  },
];

function at(path: string, here: readonly Omit<Operation, 'path'>[]): Operation[] {
  return here.map(operation => ({ ...operation, path: `${ENDPOINTS}/${path}` }));
}

export const STORED_OPERATIONS: readonly Operation[] = [...files, ...batches, ...webhooks];
