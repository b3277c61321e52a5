/** A stored chat completion (`store: true`) as its clients see it. */
import { publicId, type StoredRun } from '@penstock/protocol';

/** Kept with the run. */
interface CompletionDetail {
  readonly messages: readonly Record<string, unknown>[];
  readonly metadata: Record<string, string>;
  readonly tier: string;
}

/** @param body the checked request. */
export function completionDetail(body: unknown, tier: string): string {
  const { messages, metadata } = body as { messages: CompletionDetail['messages']; metadata?: object | null };
  return JSON.stringify({ messages, metadata: metadata ?? {}, tier });
}

/** What lists of completions are filtered by. @param body the checked request. */
export function completionLabels(body: unknown): Record<string, string> {
  return (body as { metadata?: Record<string, string> | null }).metadata ?? {};
}

export function completionDetailIn({ detail }: { readonly detail: string }): CompletionDetail {
  return JSON.parse(detail) as CompletionDetail;
}

/** The completion under the id that its client knows. */
export function storedCompletion(run: StoredRun): { id: string } {
  const answer = JSON.parse(run.result?.body.toString('utf8') ?? '{}') as Record<string, unknown>;
  const { metadata, tier } = completionDetailIn(run);
  return {
    ...answer,
    ...{ id: publicId(run), object: 'chat.completion' },
    ...{
      created: answer['created'] ?? Math.floor(run.createdAt / 1000),
      model: answer['model'] ?? run.model,
      service_tier: tier,
      metadata,
    },
  };
}
