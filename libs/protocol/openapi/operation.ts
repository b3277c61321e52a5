/** How one operation of the API is described. */
import type { REQUESTS } from './requests.ts';
import type { JsonSchema } from './schema.ts';
import { text } from './schema.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'header' | 'path';
  readonly description?: string;
  readonly schema: JsonSchema;
  readonly required?: true;
}

export interface Operation {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly body?: keyof typeof REQUESTS;
  readonly bodyMayLack?: true;
  /** Query and header parameters; path parameters are read from the path. */
  readonly parameters?: readonly Parameter[];
  /** Answers by status: names of schemas, or media types for what is not JSON. Several for one status are alternatives. */
  readonly answers: Readonly<Record<string, readonly string[]>>;
  /** The request is queued: it can be refused because the queue is full, and fail at an engine. */
  readonly queued?: true;
  /** Name of the schema of its errors, where it is not that of OpenAI's. */
  readonly errors?: string;
  /** Needs no key. */
  readonly open?: true;
}

export const query = (name: string, schema: JsonSchema, description = ''): Parameter => ({
  ...{ name, in: 'query', schema },
  ...(description === '' ? {} : { description }),
});
export const header = (name: string, schema: JsonSchema, description: string): Parameter => ({
  ...{ name, in: 'header', schema, description },
});

export const paging = (most: number): Parameter[] => [
  query('limit', { type: 'integer', minimum: 1, maximum: most }),
  query('order', { enum: ['asc', 'desc'] }, 'By time of creation; newest first by default.'),
  query('after', text, 'Id of the last item of the previous page.'),
];
