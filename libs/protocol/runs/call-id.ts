import { randomBytes } from 'node:crypto';

/** For a tool call that the engine gave no id: clients answer it by its id. */
export function randomCallId(): string {
  return `call_${randomBytes(12).toString('hex')}`;
}
