/** What an ingress is given by its process: adapters, settings, and the process itself. */
import type { LimitSettings, ProjectsFile, TokenVerifier } from '@penstock/access';
import type { ModelNamesOptions } from '@penstock/fleet';
import type { Affinity as AffinityKind, Amount, SizeBoundaries } from '@penstock/policy';
import type { EngineRules } from '@penstock/protocol';
import type { ApiMonitoring, Clock, DroppedMessages, Logger, Tracing } from '@penstock/runtime';
import type {
  AuditLog,
  BatchJobs,
  ConversationRecords,
  DeliveryJobs,
  DeliveryLog,
  FileContents,
  LimitLedger,
  LimitUseRecords,
  ModelRegistry,
  PlacementStore,
  ProjectRecords,
  ReplyBus,
  RequestBodies,
  RequestTrails,
  RunLog,
  RunStore,
  RunTtl,
  TaskRecords,
  WebhookRecords,
  WorkQueue,
  WorkSeals,
} from '@penstock/transport';
import type { AllowList } from '@penstock/transport/egress';
import type { Origins } from './http/cors.ts';
import type { DefaultsOf } from './intake/understand.ts';
import type { AdmissionMode } from './shares/admissions.ts';
import type { SecureApi } from './tls/secure-api.ts';

/** The ports to other processes and to the stores. */
export interface IngressPorts {
  readonly queue: WorkQueue;
  readonly bus: ReplyBus;
  readonly registry: ModelRegistry;
  readonly placements: PlacementStore;
  readonly trails: RequestTrails;
  readonly runStore: RunStore;
  readonly runLog: RunLog;
  readonly audit: Pick<AuditLog, 'add' | 'connected' | 'search'>;
  readonly projects: ProjectRecords;
  /** Of the operator; null where there is none. */
  readonly projectsFile: ProjectsFile | null;
  /** Of the identity provider; null where none is trusted. */
  readonly tokens: TokenVerifier | null;
  readonly limits: LimitLedger;
  readonly limitUse: LimitUseRecords;
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly bodies: RequestBodies;
  /** Of messages; null where they are not sealed. */
  readonly seals: Pick<WorkSeals, 'isOff' | 'replies' | 'seal' | 'sealKept'> | null;
  readonly batchJobs: BatchJobs;
  readonly webhooks: WebhookRecords;
  readonly deliveries: DeliveryLog;
  readonly deliveryJobs: DeliveryJobs;
  readonly conversations: ConversationRecords;
}

/** See config.ts for what each setting means. */
export interface IngressSettings {
  readonly ingressId: string;
  readonly region: string;
  readonly shards: number;
  readonly apiKeys: readonly string[];
  readonly adminKeys: readonly string[];
  readonly peppers: readonly string[];
  readonly keyGraceMs: number;
  readonly corsOrigins: Origins;
  readonly modelNames: ModelNamesOptions;
  readonly modelDefaultsOf: DefaultsOf;
  readonly bodyLimitBytes: number;
  /** Memory for large bodies, and as much for those of what waits at the door. */
  readonly bodyBudgetBytes: number;
  /** Memory for answers that clients have yet to take. */
  readonly answerBudgetBytes: number;
  /** What one stream of the queue holds at most. */
  readonly queueLimits: Amount;
  /** Largest body that the queue carries itself. */
  readonly inlineBodyBytes: number;
  readonly boundaries: SizeBoundaries;
  /** Null where the model's architecture decides. */
  readonly affinityOf: (slug: string) => AffinityKind | null;
  readonly ackWaitMs: number;
  readonly boundWaitMs: number;
  readonly holdMs: number;
  readonly keepAliveMs: number;
  readonly batchLifeS: number;
  /** Share of requests whose trail is kept although they went well, 0–1. */
  readonly trailShare: number;
  readonly ttl: RunTtl;
  readonly webhookAllow: AllowList;
  readonly apiMonitoring: ApiMonitoring;
  readonly accessLog: boolean;
  readonly engineRules: EngineRules;
  readonly limits: LimitSettings;
  /** Whether projects are served in shares. */
  readonly fairShares: boolean;
  readonly admission: AdmissionMode;
  /** How long clients of interactive requests wait for the first token that do not say it. */
  readonly patienceMs: number;
}

/** What the process itself gives. */
export interface IngressHost {
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts what other processes say that is wrong. */
  readonly dropped: DroppedMessages;
  readonly nextId: () => string;
  /** Why this node should get no traffic now, or null. */
  readonly notReady: () => string | null;
  /** Null where it is off. */
  readonly tracing: Tracing | null;
  /** Null where the port of the API speaks plainly. */
  readonly tls: SecureApi | null;
}
