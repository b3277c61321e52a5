/** Connecting to nats-server, and what it has to be able to do. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { ConnectError } from '../../ports/connect-error.ts';
import { refusalOf } from './refusal.ts';
import { type NatsReach, readServers } from './servers.ts';

/** JetStream's code for a cluster in which too few servers are there. */
const NO_LEADER = 10008;
/** The first release with `priority_policy: prioritized`. */
const LEAST_VERSION = [2, 12];
/**
 * How long one attempt to connect may take, ms. The client notices no connection that ends while the server greets it, as that of
 * a server which is killed right after its start: it would wait 20 s, and whoever asks this process for anything gives up by then.
 */
const CONNECT_MS = 5000;
/** Longest message that the server has to accept: the largest body an ingress can be set to accept, and its meta line. */
const LEAST_PAYLOAD_BYTES = 8_000_000;

const INBOXES = new WeakMap<NatsConnection, string>();

/** A subject for answers that only this connection's user hears. @param name of the inbox: letters and digits. */
export function inbox(nc: NatsConnection, name: string): string {
  return `${INBOXES.get(nc) ?? '_INBOX'}.${name}`;
}

export interface NatsOptions extends NatsReach {
  /** Shown in the broker's monitoring. */
  readonly name: string;
}

/** A connection that reconnects for ever once it has been made. @throws ConnectError */
export async function dial(options: NatsOptions): Promise<NatsConnection> {
  const client = readServers(options);
  try {
    const nc = await connect({
      ...client,
      name: options.name,
      maxReconnectAttempts: -1,
      // A login that is refused for a while, as while users are changed, must not end the connection for good.
      ignoreAuthErrorAbort: true,
      timeout: CONNECT_MS,
      reconnectTimeWait: 200,
      reconnectJitter: 100,
      pingInterval: 5000,
      maxPingOut: 2,
    });
    INBOXES.set(nc, client.inboxPrefix);
    return nc;
  } catch (err) {
    throw await refusalOf(err as Error, client);
  }
}

/** A connection to a server that can hold the work queue. @throws ConnectError when it cannot. */
export async function dialBroker(
  options: NatsOptions,
): Promise<{ nc: NatsConnection; jsm: JetStreamManager }> {
  const nc = await dial(options);
  try {
    assertUsable(nc);
    return { nc, jsm: await openJetStream(nc) };
  } catch (err) {
    await nc.close();
    throw err;
  }
}

function assertUsable(nc: NatsConnection): void {
  const version = nc.info?.version ?? '0';
  if (isOlder(version, LEAST_VERSION)) {
    throw new ConnectError(
      `nats-server ${version} is too old: prioritized pulls need ${LEAST_VERSION.join('.')} or newer`,
    );
  }
  const payload = nc.info?.max_payload ?? 0;
  if (payload < LEAST_PAYLOAD_BYTES) {
    throw new ConnectError(
      `nats-server takes messages up to ${payload} bytes only: set max_payload: 8MB in its configuration`,
    );
  }
}

async function openJetStream(nc: NatsConnection): Promise<JetStreamManager> {
  try {
    return await jetstreamManager(nc);
  } catch (err) {
    const { name, code, message } = err as Error & { code?: number };
    if (name === 'JetStreamNotEnabled')
      throw new ConnectError('nats-server runs without JetStream: start it with -js or a jetstream block');
    const why = code === NO_LEADER ? 'most servers of its cluster are away' : message;
    throw new ConnectError(`its JetStream has no leader yet (${why})`, { isLasting: false });
  }
}

/** Whether a version like `2.10.3-beta` is below the given parts. */
function isOlder(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, wanted] of least.entries()) {
    const part = parts[i] ?? 0;
    if (part !== wanted) return !(part > wanted);
  }
  return false;
}
