/** A TCP endpoint that leads to one server, and later to another, as the name of a managed service does: what is connected stays where it is. */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

export async function startMovingEndpoint(firstPort: number) {
  let target = firstPort;
  const open = new Set<Socket>();
  const endpoint = createServer(client => {
    const server = dial(target, '127.0.0.1');
    for (const end of [client, server]) {
      open.add(end);
      end.on('error', () => {});
      end.on('close', () => open.delete(end));
    }
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    client.pipe(server).pipe(client);
  });
  await new Promise<void>(done => endpoint.listen(0, '127.0.0.1', done));
  return {
    url: `redis://127.0.0.1:${(endpoint.address() as AddressInfo).port}`,
    moveTo(port: number): void {
      target = port;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      endpoint.close();
      for (const end of open) end.destroy();
    },
  };
}
