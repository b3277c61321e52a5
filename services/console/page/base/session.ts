/** Who is logged in here. */
export interface Session {
  readonly who: string;
  readonly role: 'admin' | 'viewer';
}

/** Null for nobody; undefined where the console does not answer. */
export async function readSession(): Promise<Session | null | undefined> {
  const answer = await fetch('/api/session').catch(() => null);
  if (!answer?.ok) return undefined;
  return ((await answer.json()) as { session: Session | null }).session;
}
