/** How the parts of a console fit together: everything between its ports and its HTTP server. */
import { watchFleet } from '@penstock/fleet';
import { readIngressStatus } from '@penstock/protocol';
import type { DeadLetterWires } from '@penstock/runs';
import type { Clock, DroppedMessages, Logger } from '@penstock/runtime';
import type { AuditLog, ControlChannel, ModelRegistry, QueueAdmin, TaskRecords } from '@penstock/transport';
import type { FastifyInstance } from 'fastify';
import { ActionDesk } from './actions/action-desk.ts';
import { batchActions } from './actions/batch-actions.ts';
import { letterActions } from './actions/letter-actions.ts';
import { type WebhookActionParts, webhookActions } from './actions/webhook-actions.ts';
import { workerActions } from './actions/worker-actions.ts';
import type { BatchReader } from './http/batches.ts';
import { Guard } from './http/guard.ts';
import { Live, LOOK_MS } from './http/live.ts';
import type { RequestReader } from './http/requests.ts';
import type { ScalerReader } from './http/scaler.ts';
import { Sessions } from './http/session.ts';
import type { TenantReader } from './http/tenants.ts';
import type { WebhookReader } from './http/webhooks.ts';
import { IngressNodes } from './region/ingress-nodes.ts';
import { QueueDepths } from './region/queue-depths.ts';
import { QueueDirectory } from './region/queue-directory.ts';
import { RegionView } from './region/region-view.ts';
import { buildServer } from './server.ts';

/** The ports to other processes and to the stores. */
export interface ConsolePorts {
  readonly queue: Pick<ControlChannel, 'connected' | 'listen' | 'send'> &
    Pick<QueueAdmin, 'oldestPendingAt' | 'queueState'>;
  readonly registry: ModelRegistry;
  readonly audit: AuditLog;
  readonly requests: RequestReader;
  readonly records: BatchReader & Pick<TaskRecords, 'updateBatch'>;
  readonly scaler: ScalerReader;
  readonly tenants: TenantReader;
  readonly webhooks: WebhookReader & Pick<WebhookActionParts, 'deliveries' | 'deliveryJobs'>;
  /** Rejects while the region has none to look at. */
  readonly deadLetters: () => Promise<DeadLetterWires>;
}

/** See config.ts for what each setting means. */
export interface ConsoleSettings {
  readonly region: string;
  readonly shards: number;
  readonly adminKeys: readonly string[];
  readonly viewerKeys: readonly string[];
  readonly sessionMs: number;
  readonly plainHttp: boolean;
  readonly targetTtftMs: number;
  readonly priceOf: (slug: string) => number | undefined;
}

/** What the process itself gives. */
export interface ConsoleHost {
  readonly clock: Clock;
  /** Whether the process ends: it should get no readers. */
  readonly draining?: () => boolean;
  readonly log: Pick<Logger, 'error' | 'info'>;
  /** Counts what other processes say that is wrong. */
  readonly dropped: DroppedMessages;
  readonly nextId: () => string;
}

export interface Console {
  /** Listens to nothing yet. */
  readonly app: FastifyInstance;
  /** Looks at the region from now on. */
  start(): void;
  /** Ends the streams of all pages, and looks no more. */
  stop(): void;
}

/** Begins to hear heartbeats and statuses. */
export async function startConsole(
  { queue, registry, audit, requests, records, webhooks, scaler, tenants, deadLetters }: ConsolePorts,
  settings: ConsoleSettings,
  { clock, log, dropped, nextId, draining }: ConsoleHost,
): Promise<Console> {
  const { region, shards, adminKeys, viewerKeys, sessionMs: lastsMs, plainHttp } = settings;
  const source = { region, shards, channel: queue, registry, clock, dropped };
  const fleet = await watchFleet({ ...source, rand: Math.random });
  const nodes = new IngressNodes(clock);
  queue.listen({ kind: 'ingress_statuses', region }, (payload, _reply, from) => {
    const status = readIngressStatus(payload, from);
    if (status === null || !nodes.hear(status)) dropped.count('status');
  });
  const directory = new QueueDirectory({ fleet, nodes, clock });
  const depths = new QueueDepths({ region, queue, known: () => directory.known(), clock });
  const view = new RegionView({
    ...{ region, fleet, nodes, depths, clock, connected: () => queue.connected },
    ...{ targetTtftMs: settings.targetTtftMs, priceOf: settings.priceOf },
  });
  const live = new Live(view, nextId().slice(0, 8));
  const sessions = new Sessions({ adminKeys, viewerKeys, lastsMs, clock });
  const guard = new Guard({ sessions, lastsMs, plainHttp, clock });
  const notReady = () => {
    if (draining?.() === true) return 'draining';
    return queue.connected ? null : 'no connection to NATS';
  };
  const actions = {
    ...workerActions(fleet, queue),
    ...batchActions(records, clock),
    ...webhookActions({ ...webhooks, clock, nextId }),
    ...letterActions(deadLetters),
  };
  const desk = new ActionDesk({ actions, audit, clock, log });
  let ticker: NodeJS.Timeout | null = null;
  return {
    app: buildServer({
      guard,
      live,
      desk,
      audit,
      requests,
      batches: records,
      webhooks,
      scaler,
      tenants,
      deadLetters,
      notReady,
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      log,
    }),
    start() {
      depths.start();
      ticker = setInterval(() => live.tick(), LOOK_MS);
    },
    stop() {
      if (ticker !== null) clearInterval(ticker);
      depths.stop();
      live.close();
    },
  };
}
