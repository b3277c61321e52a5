/** Why a post got no answer. */
export type UnansweredReason =
  | 'timeout'
  | 'address_refused'
  | 'name_not_found'
  | 'connection_refused'
  | 'unreachable'
  | 'connection_lost'
  | 'tls_failed'
  | 'request_failed'
  /** Nothing was posted: what signs it was encrypted with a key that is not there. */
  | 'secret_unavailable';

export type PostOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfter: string | null }
  | { readonly kind: 'unanswered'; readonly reason: UnansweredReason };

/**
 * Posts to URLs that clients named. Promises: never rejects, never follows a redirect, never connects to an address that
 * is neither public nor allowed.
 */
export interface Poster {
  post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    stop?: AbortSignal,
  ): Promise<PostOutcome>;
}
