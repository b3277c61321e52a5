import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ToolBook } from './tools.ts';

interface Offered {
  function: { name: string; description?: string; parameters: { required?: string[] } };
}
const offered = (book: ToolBook) => book.functions(null) as Offered[];
const fn = (name: string) => ({ type: 'function', name, parameters: { type: 'object' } });

test('a custom tool is a function with one text, whose description has the grammar', () => {
  const format = { type: 'grammar', syntax: 'lark', definition: 'start: /.+/' };
  const book = new ToolBook([{ type: 'custom', name: 'apply_patch', description: 'Edits files.', format }]);
  const [tool] = offered(book);
  assert.equal(tool?.function.name, 'apply_patch');
  assert.deepEqual(tool?.function.parameters.required, ['input']);
  assert.match(tool?.function.description ?? '', /^Edits files\.\n\n.*lark.*\nstart: \/\.\+\/$/);
  assert.deepEqual(book.called('apply_patch'), {
    ...{ kind: 'custom', name: 'apply_patch', namespace: null, engineName: 'apply_patch' },
    tool: { type: 'custom', name: 'apply_patch', description: 'Edits files.', format },
  });
});

test('what a client leaves null is left out', () => {
  const bare = { type: 'function', name: 'f', description: null, parameters: null, strict: null };
  assert.deepEqual(offered(new ToolBook([bare])), [{ type: 'function', function: { name: 'f' } }]);
});

test('tools of a namespace are functions that bear its name, and are known again by it', () => {
  const book = new ToolBook([
    fn('g'),
    { type: 'namespace', name: 'mcp__x', tools: [fn('g'), { type: 'custom', name: 'c' }, { type: 'mcp' }] },
    { type: 'namespace', name: 'mcp__y__', tools: [fn('g')] },
  ]);
  assert.deepEqual(
    offered(book).map(tool => tool.function.name),
    ['g', 'mcp__x__g', 'mcp__x__c', 'mcp__y__g'],
  );
  const { kind, name, namespace } = book.called('mcp__x__c');
  assert.deepEqual([kind, name, namespace], ['custom', 'c', 'mcp__x']);
  assert.equal(book.engineName('mcp__y__', 'g'), 'mcp__y__g');
  assert.equal(book.engineName('gone', 'h'), 'gone__h');
  assert.deepEqual(book.omitted, ['mcp']);
});

test('names at the engine are ones that engines take, and all different', () => {
  const long = 'n'.repeat(60);
  const book = new ToolBook([
    ...['a.b', 'a b', long].map(name => ({ type: 'namespace', name, tools: [fn('tool'), fn('tool two')] })),
    fn('a__b'),
    { type: 'namespace', name: 'a', tools: [fn('b')] },
  ]);
  const names = offered(book).map(tool => tool.function.name);
  assert.equal(new Set(names).size, 8);
  for (const name of names) assert.match(name, /^[\w-]{1,64}$/);
  for (const name of names)
    assert.equal(book.engineName(book.called(name).namespace, book.called(name).name), name);
});

test('a call of a tool that is not listed is a call of a function by that name', () => {
  const { kind, name, namespace } = new ToolBook([fn('f')]).called('made_up');
  assert.deepEqual([kind, name, namespace], ['function', 'made_up', null]);
});
