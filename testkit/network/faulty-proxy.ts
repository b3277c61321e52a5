/** A TCP proxy whose connections can be cut, fall silent for a while, or be slow, as networks are. */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export type FaultyProxy = Awaited<ReturnType<typeof startFaultyProxy>>;

export async function startFaultyProxy(targetUrl: string) {
  const { hostname, port, protocol } = new URL(targetUrl);
  const open = new Set<Pair>();
  let isCut = false;
  let isHeld = false;
  let delayMs = 0;
  const pass = (from: Socket, to: Socket) => {
    from.on('error', () => {});
    from.on('data', bytes => {
      if (delayMs === 0) to.write(bytes);
      // Timers of equal length fire in the order in which they were set.
      else setTimeout(() => to.writable && to.write(bytes), delayMs);
    });
    from.on('close', () => to.destroy());
  };
  const proxy = createServer(client => {
    if (isCut) return void client.destroy();
    const pair = { client, server: dial(Number(port), hostname) };
    open.add(pair);
    pass(client, pair.server);
    pass(pair.server, client);
    client.on('close', () => open.delete(pair));
    if (isHeld) setHeld(pair, true);
  });
  await new Promise<void>(done => proxy.listen(0, '127.0.0.1', done));
  return {
    url: `${protocol}//127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    /** All connections break, and none can be made until it is over. */
    cut(isOn: boolean): void {
      isCut = isOn;
      if (isOn) for (const { client } of open) client.destroy();
    },
    /** Connections stay open and nothing comes, new ones too; what was sent meanwhile comes when it is over. */
    hold(isOn: boolean): void {
      isHeld = isOn;
      for (const pair of open) setHeld(pair, isOn);
    },
    /** Everything takes so much longer, each way. */
    delay(ms: number): void {
      delayMs = ms;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      proxy.close();
      for (const { client } of open) client.destroy();
    },
  };
}

function setHeld({ client, server }: Pair, isHeld: boolean): void {
  for (const end of [client, server]) if (isHeld) end.pause();
  for (const end of [client, server]) if (!isHeld) end.resume();
}
