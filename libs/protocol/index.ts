/** What is said: everything that crosses a process boundary. */
export * from './batch.ts';
export * from './batch-line.ts';
export * from './engine-error.ts';
export * from './envelope.ts';
export * from './errors.ts';
export * from './frame.ts';
export * from './heartbeat.ts';
export * from './input-item.ts';
export * from './json-guard.ts';
export * from './names.ts';
export * from './openai.ts';
export { OPERATIONS, openApiDocument } from './openapi/index.ts';
export * from './responses-request.ts';
export * from './responses-stream.ts';
export * from './run-log.ts';
export * from './sse.ts';
export * from './stored-run.ts';
export * from './webhook.ts';
