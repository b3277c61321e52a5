/** A TCP proxy whose connections can fall silent, as through a network that drops packets: they stay open, and nothing comes. */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

export async function startSilentProxy(targetUrl: string) {
  const { hostname, port, protocol } = new URL(targetUrl);
  const open = new Set<{ readonly client: Socket; readonly server: Socket | null }>();
  let isSilent = false;
  const proxy = createServer(client => {
    const server = isSilent ? null : dial(Number(port), hostname);
    const pair = { client, server };
    open.add(pair);
    for (const end of [client, server]) end?.on('error', () => {});
    client.on('close', () => {
      open.delete(pair);
      server?.destroy();
    });
    server?.on('close', () => client.destroy());
    if (server === null) client.pause();
    else client.pipe(server).pipe(client);
  });
  await new Promise<void>(done => proxy.listen(0, '127.0.0.1', done));
  return {
    url: `${protocol}//127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    /** All connections are silent for ever; so are new ones, until {@link speak}. */
    silence(): void {
      isSilent = true;
      for (const { client, server } of open)
        for (const end of [client, server]) {
          end?.unpipe();
          end?.pause();
        }
    },
    /** New connections work again. */
    speak(): void {
      isSilent = false;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      proxy.close();
      for (const { client } of open) client.destroy();
    },
  };
}
