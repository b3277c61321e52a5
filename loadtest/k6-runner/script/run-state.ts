/** What all parts of one run share. */

import type { HttpClient } from '../http/http-client.ts';
import type { BuiltIn, MetricRegistry } from '../metrics/metrics.ts';
import type { RunOptions, ScenarioPlan } from '../options/options.ts';
import type { CheckTree } from '../outcome/checks.ts';
import type { RunFailure } from '../outcome/failure.ts';
import type { RunLog } from '../outcome/log.ts';

export interface RunState {
  /** Defaults until the script was read. */
  readonly options: RunOptions;
  readonly env: Readonly<Record<string, string>>;
  readonly registry: MetricRegistry;
  readonly metrics: BuiltIn;
  readonly http: HttpClient;
  readonly log: RunLog;
  readonly checks: CheckTree;
  readonly sharedArrays: Map<string, readonly unknown[]>;
  /** Where `open()` looks. */
  readonly directory: URL;
  readonly counters: Counters;
  /** Monotonic ms at which load began; null before. */
  startedAt: number | null;
  /** Ends the run at once. Only the first failure counts. */
  abort(failure: RunFailure): void;
  /** Lets the run go on and fails it in the end. */
  fail(failure: RunFailure): void;
}

export interface Counters {
  completed: number;
  interrupted: number;
  dropped: number;
  vusActive: number;
  vusInitialized: number;
  requests: number;
  failedRequests: number;
  /** Requests that got no answer because nothing listened, or the name is unknown. */
  unreachable: number;
  /** One of them, for the message. */
  unreachableWhy: string;
  exceptions: number;
}

/** One scenario while it runs, as `exec.scenario` shows it. */
export interface ScenarioState {
  readonly plan: ScenarioPlan;
  /** Unix ms. */
  readonly startedAt: number;
  /** Iterations begun. */
  begun: number;
  progress(): number;
}
