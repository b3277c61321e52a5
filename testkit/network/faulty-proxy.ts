/** A TCP proxy in front of one server: its connections can be cut, held, silent or slow, as networks are, and its next ones can lead elsewhere. */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

/** Of a slow connection, each way, ms. */
const DELAY_MS = 40;

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Nothing passes any more, ever: what it has is lost. */
  isSilent: boolean;
}

export type FaultyProxy = Awaited<ReturnType<typeof startFaultyProxy>>;

export async function startFaultyProxy(targetUrl: string) {
  const target = new URL(targetUrl);
  let port = Number(target.port);
  const open = new Set<Pair>();
  let isCut = false;
  let isHeld = false;
  let isSilent = false;
  let isSlow = false;
  const pass = (pair: Pair, from: Socket, to: Socket) => {
    from.on('error', () => {});
    const onTheirWay: Buffer[] = [];
    const arrive = (bytes: Buffer | undefined) => bytes !== undefined && to.writable && to.write(bytes);
    from.on('data', bytes => {
      if (pair.isSilent) return;
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
    const pair = { client, server: dial(port, target.hostname), isSilent };
    open.add(pair);
    pass(pair, client, pair.server);
    pass(pair, pair.server, client);
    client.on('close', () => open.delete(pair));
    if (isHeld) setHeld(pair, true);
  });
  await new Promise<void>(done => proxy.listen(0, '127.0.0.1', done));
  return {
    url: `${target.protocol}//127.0.0.1:${(proxy.address() as AddressInfo).port}`,
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
    /** As a network that drops packets: connections stay open, and nothing passes, ever; nor by those made until {@link speak}. */
    silence(): void {
      isSilent = true;
      for (const pair of open) pair.isSilent = true;
    },
    /** New connections work again. */
    speak(): void {
      isSilent = false;
    },
    /** Everything takes longer, each way. */
    slow(isOn: boolean): void {
      isSlow = isOn;
    },
    /** New connections lead to another server, as the name of a managed service does; what is connected stays where it is. */
    moveTo(otherPort: number): void {
      port = otherPort;
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
