/** What becomes of a delivery that there is room for. Pure: the executor is {@link Admission}. */
import { type ResumeAnswer, readResumeAnswer, type WorkMeta } from '@penstock/protocol';
import type { Answer } from '@penstock/transport';

/** Redeliveries whose ingress does not answer are handed back until they have been delivered this often. */
const MAX_UNANSWERED = 20;

export type AdmissionDecision =
  | { readonly kind: 'run' }
  /** Begin the run's record, which knows whether anybody still wants it. */
  | { readonly kind: 'begin_stored' }
  /** Ask the ingress first. */
  | { readonly kind: 'ask'; readonly reason: AskReason };

/**
 * `running_here`: another attempt at the request runs here, and is not ended on the broker's word alone. `late`: past the deadline by this clock, which may be wrong: a worker that dropped such work would drain the queue, so the
 * ingress decides. `redelivered`: the request may be superseded, unwanted, or answered in part. `required`: the client has part of
 * the answer.
 */
export type AskReason = 'running_here' | 'late' | 'redelivered' | 'required';

/** @param now Unix ms. @param runsHere whether an attempt at the request runs here, or is about to. */
export function decideAdmission(
  meta: WorkMeta,
  deliveryCount: number,
  now: number,
  runsHere: boolean,
): AdmissionDecision {
  if (meta.stored) return { kind: 'begin_stored' };
  if (now >= meta.deadlineAt) return { kind: 'ask', reason: 'late' };
  if (deliveryCount > 1) return { kind: 'ask', reason: 'redelivered' };
  if (runsHere) return { kind: 'ask', reason: 'running_here' };
  return meta.ask ? { kind: 'ask', reason: 'required' } : { kind: 'run' };
}

export type AnswerDecision =
  /** `resume`: what the client has of the answer; null where it has nothing. */
  | { readonly kind: 'run'; readonly resume: Extract<ResumeAnswer, { kind: 'continue' }> | null }
  /** Another attempt has the request, and the delivery is settled with it. */
  | { readonly kind: 'leave' }
  /** Hand the delivery back: the ingress may answer the next time. */
  | { readonly kind: 'retry' }
  /** Nobody waits: the request may have been converted to a stored run. `otherwise` is for where it was not. */
  | { readonly kind: 'find_record'; readonly otherwise: 'retry' | 'drop' };

/** After the ingress was asked. */
export function decideOnAnswer(answer: Answer, reason: AskReason, deliveryCount: number): AnswerDecision {
  if (answer.kind === 'timeout') return { kind: 'retry' };
  const resume = answer.kind === 'answer' ? readResumeAnswer(answer.payload) : null;
  if (resume?.kind === 'start') return { kind: 'run', resume: null };
  if (resume?.kind === 'continue') return { kind: 'run', resume };
  if (resume?.kind === 'held') return { kind: 'leave' };
  const isHopeless = resume !== null || reason === 'late' || deliveryCount > MAX_UNANSWERED;
  return { kind: 'find_record', otherwise: isHopeless ? 'drop' : 'retry' };
}
