import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { dial } from './connection.ts';

const INFO = 'INFO {"server_id":"x","version":"2.12.0","proto":1,"max_payload":8000000}\r\n';

/** What becomes of the connections to a server, one after the other; the last of these of all that follow. */
type Manner = 'serves' | 'ends while it is greeted' | 'says nothing';

async function startFake(manners: Manner[]) {
  const accepted: Socket[] = [];
  const server = createServer(socket => {
    const manner = manners[Math.min(accepted.push(socket), manners.length) - 1];
    socket.on('error', () => {});
    if (manner === 'says nothing') return;
    socket.write(INFO);
    socket.on('data', bytes => {
      if (manner === 'serves' && bytes.includes('PING')) socket.write('PONG\r\n');
      if (manner === 'ends while it is greeted') socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    for (const socket of accepted) socket.destroy();
    server.close();
  };
  return { url, accepted, close };
}

for (const manner of ['ends while it is greeted', 'says nothing'] as const)
  test(`a server that ${manner} is tried again soon`, { timeout: 15_000 }, async t => {
    const fake = await startFake(['serves', manner, 'serves']);
    t.after(() => fake.close());
    const nc = await dial({ url: fake.url, name: 'test' });
    t.after(() => nc.close());
    const status = nc.status();
    fake.accepted[0]?.destroy();
    for await (const { type } of status) if (type === 'reconnect') break;
    assert.equal(fake.accepted.length, 3);
  });
