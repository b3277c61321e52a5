import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS } from '../errors/errors.ts';
import { OPERATIONS, openApiDocument } from './index.ts';

interface Described {
  operationId: string;
  parameters: { name: string; in: string }[];
  responses: Record<string, { $ref?: string; links?: Record<string, { operationId: string }> }>;
}

const document = openApiDocument('1.2.3') as unknown as {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, unknown>; responses: Record<string, { description: string }> };
};
const described = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.values(methods).map(operation => ({ path, operation })),
);

test('every operation is there once, and every reference leads somewhere', () => {
  assert.equal(described.length, OPERATIONS.length);
  const ids = new Set(described.map(({ operation }) => operation.operationId));
  assert.equal(ids.size, OPERATIONS.length);
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
  assert.ok(refs.length > 50);
  for (const [, kind, name] of refs)
    assert.ok(document.components[kind as 'schemas']?.[name ?? ''] !== undefined, `${kind}/${name}`);
  for (const { operation } of described)
    for (const answer of Object.values(operation.responses))
      for (const link of Object.values(answer.links ?? {})) assert.ok(ids.has(link.operationId));
});

test('what stands in a path is a parameter', () => {
  for (const { path, operation } of described) {
    const inPath = operation.parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name);
    assert.deepEqual(
      [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1]),
      inPath,
    );
  }
});

test('every error of the table is documented under its status', () => {
  for (const [code, { status }] of Object.entries(ERRORS))
    assert.ok(document.components.responses[`Error${status}`]?.description.includes(`\`${code}\``), code);
});
