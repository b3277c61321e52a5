/** Shorthands for JSON Schema (draft 2020-12, as OpenAPI 3.1 uses it). */
export type JsonSchema = { readonly [key: string]: unknown };

export const text: JsonSchema = { type: 'string' };
export const flag: JsonSchema = { type: 'boolean' };
export const number: JsonSchema = { type: 'number' };
export const count: JsonSchema = { type: 'integer', minimum: 0 };
export const anything: JsonSchema = {};
export const nothing: JsonSchema = { type: 'null' };

/** Unix seconds. */
export const seconds: JsonSchema = { ...count, description: 'Unix time in seconds.' };

export function nullable(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, nothing] };
}

export function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

export function record(value: JsonSchema): JsonSchema {
  return { type: 'object', additionalProperties: value };
}

/** All properties are required; more may come. */
export function object(
  properties: Record<string, JsonSchema>,
  optional: Record<string, JsonSchema> = {},
): JsonSchema {
  return { type: 'object', properties: { ...properties, ...optional }, required: Object.keys(properties) };
}

export function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}
