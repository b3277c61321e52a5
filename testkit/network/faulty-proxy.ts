/** A TCP proxy whose connections can be cut, fall silent for a while, or be slow, as networks are. */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

/** Of a slow connection, each way, ms. */
const DELAY_MS = 40;

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
  let isSlow = false;
  const pass = (from: Socket, to: Socket) => {
    from.on('error', () => {});
    const onTheirWay: Buffer[] = [];
    const arrive = (bytes: Buffer | undefined) => bytes !== undefined && to.writable && to.write(bytes);
    from.on('data', bytes => {
      if (isSlow) {
        onTheirWay.push(bytes);
        setTimeout(() => arrive(onTheirWay.shift()), DELAY_MS);
        return;
      }
      // Nothing overtakes what is still on its way.
      for (const earlier of onTheirWay.splice(0)) arrive(earlier);
      arrive(bytes);
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
    /** Everything takes longer, each way. */
    slow(isOn: boolean): void {
      isSlow = isOn;
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
