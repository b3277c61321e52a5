/**
 * Finds the server that takes writes, and stays with no other. After a failover the name of a managed endpoint leads to the old primary
 * for a while, and a sentinel may tell of it: either is a replica then, or will be. It refuses writes and shows old data.
 */
import { createConnection } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, type RedisOptions, SentinelConnector } from 'ioredis';

/** What a connection was told by the server that it last reached. */
export interface ServerSeen {
  /** Identifies the process of the server; empty where it did not say. */
  runId: string;
  isReplica: boolean;
}

type Info = { readonly role?: string; readonly run_id?: string };
type Socket = Awaited<ReturnType<AbstractConnector['connect']>>;

function look(seen: ServerSeen, { role, run_id: runId = '' }: Info): boolean {
  seen.isReplica = role === 'slave' || role === 'replica';
  if (!seen.isReplica) seen.runId = runId;
  return !seen.isReplica;
}

/** The client makes one for each connection. @param seen is kept up to date. */
export function connectorFor(seen: ServerSeen): NonNullable<RedisOptions['Connector']> {
  class ToSentinels extends SentinelConnector {
    override check(info: Info): boolean {
      return look(seen, info) && super.check(info);
    }
  }
  class ToEndpoint extends AbstractConnector {
    readonly #o: RedisOptions;

    constructor(options: RedisOptions) {
      super(options.disconnectTimeout ?? 2000);
      this.#o = options;
    }

    override check(info: Info): boolean {
      return look(seen, info);
    }

    /** Looks the name up each time, since that is how a managed endpoint moves. */
    override async connect(): Promise<Socket> {
      const { host = '127.0.0.1', port = 6379, family = 0, tls } = this.#o;
      this.connecting = true;
      const stream = tls ? connectTls({ host, port, ...tls }) : createConnection({ host, port, family });
      this.stream = stream;
      // A connection that is reset while it shakes hands fails twice, and the client listens once.
      stream.on('error', err => {
        this.firstError ??= err;
      });
      return stream;
    }
  }
  return function connector(options: RedisOptions) {
    return options.sentinels ? new ToSentinels(options) : new ToEndpoint(options);
  } as unknown as NonNullable<RedisOptions['Connector']>;
}
