import { hash } from 'node:crypto';
import { withoutNumber } from './elided-media.ts';

/** JSON for hashing and comparing prompts: media are told apart in it, and take no length that text would. */
export function withoutMedia(content: unknown): string {
  return JSON.stringify(content, (key, value: unknown) =>
    typeof value === 'string' && (value.startsWith('data:') || key === 'data' || key === 'file_data')
      ? `media ${hash('sha1', withoutNumber(value))}`
      : value,
  );
}
