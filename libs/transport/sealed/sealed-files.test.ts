import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { MemoryDataKeys } from '../memory/data-keys.ts';
import type { FileContents, FileOwner } from '../ports/tasks/file-contents.ts';
import { KeyList } from '../vault/key-list.ts';
import { Vault } from '../vault/vault.ts';
import { SealedFiles } from './sealed-files.ts';

const clock = { now: () => 0, monotonic: () => 0 };

function world() {
  const kept = new Map<string, Buffer>();
  let named = 0;
  const contents: FileContents = {
    put: async content => {
      const bytes = Buffer.concat(await content.toArray());
      const digest = String(named++);
      kept.set(digest, bytes);
      return { digest, bytes: bytes.length };
    },
    open: async digest => (kept.has(digest) ? Readable.from([kept.get(digest)]) : null),
    has: async digest => kept.has(digest),
    drop: async digest => void kept.delete(digest),
    tidy: async () => {},
  };
  const wrapper = KeyList.parse(KeyList.draw('k'), 'X');
  const vault = new Vault({ records: new MemoryDataKeys(), wrapper, isOn: true, clock });
  const files = new SealedFiles(contents, vault);
  return {
    ...{ kept, vault, files },
    put: (text: string, of: FileOwner) => files.put(Readable.from([Buffer.from(text)]), of),
    read: async (digest: string, of: FileOwner) =>
      String(Buffer.concat((await (await files.open(digest, of))?.toArray()) ?? [])),
  };
}

const owner = (file: string, project = 'p', isBound = true): FileOwner => ({ project, file, isBound });

test('each project has its own, equal contents are told by likeness alone, and another project cannot open them', async () => {
  const { kept, files, put, read } = world();
  const [one, same, others, other] = [
    await put('same', owner('f1')),
    await put('same', owner('f2')),
    await put('same', owner('f3', 'q')),
    await put('other', owner('f4')),
  ];
  assert.deepEqual([one.bytes, other.bytes], [4, 5]);
  assert.equal(one.likeness, same.likeness);
  assert.notEqual(one.likeness, others.likeness);
  assert.notEqual(one.likeness, other.likeness);
  assert.ok([...kept.values()].every(bytes => !bytes.includes('same')));
  assert.equal(await read(one.digest, owner('f1')), 'same');
  await assert.rejects(read(one.digest, owner('f1', 'q')), { name: 'SealError' });
  assert.equal(await files.open('none', owner('f1')), null);
});

test('who writes to the store can put no other file in the place of one, sealed or in the clear', async () => {
  const { kept, put, read } = world();
  const [one, other] = [await put('one', owner('f1')), await put('other', owner('f2'))];
  assert.deepEqual([one.isBound, other.isBound], [true, true]);
  kept.set(one.digest, kept.get(other.digest) ?? Buffer.alloc(0));
  await assert.rejects(read(one.digest, owner('f1')), { name: 'SealError' });
  kept.set(one.digest, Buffer.from('in the clear'));
  await assert.rejects(read(one.digest, owner('f1')), { name: 'SealError' });
});

test('what was stored before is readable, sealed for its project or in the clear, but not in the place of a newer file', async () => {
  const { kept, vault, read } = world();
  const sealer = await vault.sealer('p', 'files');
  const before = sealer?.sealStream(Readable.from([Buffer.from('from before')])).stream ?? Readable.from([]);
  kept.set('old', Buffer.concat(await before.toArray()));
  kept.set('clear', Buffer.from('in the clear'));
  assert.equal(await read('old', owner('f1', 'p', false)), 'from before');
  assert.equal(await read('clear', owner('f1', 'p', false)), 'in the clear');
  await assert.rejects(read('old', owner('f1')), { name: 'SealError' });
});
