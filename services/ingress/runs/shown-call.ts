/** A call whose answer is kept once its client has it. */
import type { KeptAnswer } from '@penstock/runs';
import type { InferenceRequest } from '../intake/understand.ts';

/** What is stored of the call beside its answer; made beforehand, so that the prompt need not stay. */
export type ShownCall = Pick<KeptAnswer, 'id' | 'tenant' | 'detail' | 'model' | 'slug' | 'createdAt'>;

export function shownCallOf(
  { summary, model, acceptedAt }: InferenceRequest,
  { id, tenant }: { readonly id: string; readonly tenant: string },
  detail: string,
): ShownCall {
  return { id, tenant, detail, model: summary.model, slug: model.slug, createdAt: acceptedAt };
}
