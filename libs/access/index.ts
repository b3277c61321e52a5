/** Who may do what: projects, their keys, and what a key stands for. */
export { type Admin, type Caller, isRefused, REFUSALS, type Refusal, type Refused } from './caller.ts';
export { type FoundKey, KeyRing } from './key-ring.ts';
export { type KeyStore, openKeyStore } from './key-store.ts';
export { type KeyKind, mintKey, readKeyText } from './key-text.ts';
export { type KnownLimits, knownLimits } from './limits/known-limits.ts';
export { allOf, LimitActivity } from './limits/limit-activity.ts';
export { limitMetrics } from './limits/limit-metrics.ts';
export { type LimitedWork, type LimitSettings, reservedFor } from './limits/limit-terms.ts';
export { fullestOf, LimitUse, type ProjectUse, type UsedLimit } from './limits/limit-use.ts';
export {
  FREE_PASS,
  type LimitedCaller,
  type LimitObserver,
  type LimitPass,
  ProjectLimiter,
} from './limits/project-limiter.ts';
export { type ResourceAllowance, ResourceLimits } from './limits/resource-limits.ts';
export { RunPasses } from './limits/run-passes.ts';
export { limitSettings, limitSettingsOf } from './limits/settings.ts';
export { type Actor, Deeds } from './office/deeds.ts';
export { KeyOffice, type KeyWishes, type NewKey } from './office/key-office.ts';
export { accountOf, ProjectOffice } from './office/project-office.ts';
export { Peppers } from './peppers.ts';
export {
  mayAsk,
  mayHaveTier,
  mayUse,
  type Permissions,
  UNRESTRICTED,
  useOf,
} from './permissions.ts';
export { ProjectsFile, projectsFileOf } from './provisioned/projects-file.ts';
export { Provisioned } from './provisioned/provisioned.ts';
export { ProvisionedRecords } from './provisioned/provisioned-records.ts';
export { accessSettings } from './settings.ts';
export { type TokenVerifier, tokenSettings, tokensOf } from './tokens/index.ts';
export { WrongKeys } from './wrong-keys.ts';
