/** What is told of a model, or of an endpoint of it, that nobody serves as far as this node knows. */
import { DispatchError } from '@penstock/protocol';

/** How much of the fleet this node can have heard. */
export interface Listening {
  /** ms until whoever is there must have been heard; 0 once that is so. */
  readonly unheardMs: number;
}

/** @param error what to tell once every worker must have been heard. */
export function absent(listening: Listening, error: DispatchError): DispatchError {
  return notKnownYet(listening) ?? error;
}

/** A node that has just begun to listen, or was cut off, cannot know that nobody serves something: the client is asked to come again. */
export function notKnownYet({ unheardMs }: Listening): DispatchError | null {
  return unheardMs > 0 ? new DispatchError('workers_not_known', { retryAfterMs: unheardMs }) : null;
}
