/** Whom a short message beside the queue is for, as a value. Only the adapters of the control channel know it as a subject. */
import { assertToken } from '../wire/token.ts';

export type ControlAddress =
  /** A worker announces itself here once a second. */
  | { readonly kind: 'heartbeat'; readonly region: string; readonly worker: string }
  /** An ingress tells here once a second what it counts. */
  | { readonly kind: 'ingress_status'; readonly region: string; readonly ingress: string }
  /** An ingress tells here the other ones what waits at its doors: see door-status.ts. */
  | { readonly kind: 'doors'; readonly region: string; readonly ingress: string }
  /** Cancel messages and orders for one worker. */
  | { readonly kind: 'worker'; readonly worker: string }
  /** Questions to one ingress: "is this attempt current, and what has the client received?" */
  | { readonly kind: 'ingress'; readonly ingress: string }
  /** Orders of workers that any ingress carries out: see control-message.ts. */
  | { readonly kind: 'control'; readonly region: string }
  /** Announces that a run is final; the payload is its id, perhaps with its prompt tokens. Delivered at most once, so a waiting process reads the record, too. */
  | { readonly kind: 'run_ended'; readonly region: string };

/** What can be listened to: one address, or what all workers or all ingress nodes of a region tell of themselves. */
export type ControlFilter =
  | ControlAddress
  | { readonly kind: 'heartbeats' | 'ingress_statuses' | 'all_doors'; readonly region: string };

export function controlSubject(filter: ControlFilter): string {
  switch (filter.kind) {
    case 'heartbeat':
      return `hb.${assertToken(filter.region)}.${assertToken(filter.worker)}`;
    case 'heartbeats':
      return `hb.${assertToken(filter.region)}.*`;
    case 'ingress_status':
      return `st.${assertToken(filter.region)}.${assertToken(filter.ingress)}`;
    case 'ingress_statuses':
      return `st.${assertToken(filter.region)}.*`;
    case 'doors':
      return `door.${assertToken(filter.region)}.${assertToken(filter.ingress)}`;
    case 'all_doors':
      return `door.${assertToken(filter.region)}.*`;
    case 'worker':
      return `ctl.worker.${assertToken(filter.worker)}`;
    case 'ingress':
      return `ctl.ingress.${assertToken(filter.ingress)}`;
    case 'control':
      return `ctl.control.${assertToken(filter.region)}`;
    case 'run_ended':
      return `done.${assertToken(filter.region)}`;
  }
}
