/** What the console is asked for, rather than told of all the time. */
import { useCallback, useEffect, useState } from 'preact/hooks';

export type Loaded<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'loaded'; readonly value: T }
  | { readonly kind: 'failed'; readonly problem: string };

/** @throws Error with the console's own words. */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const answer = await fetch(path, init).catch(() => null);
  if (answer === null) throw new Error('The console does not answer.');
  const body = (await answer.json()) as T & { error?: { message: string } };
  if (!answer.ok) throw new Error(body.error?.message ?? `The console answered ${answer.status}.`);
  return body;
}

/** @returns what there is, and a function that asks again. */
export function useLoaded<T>(path: string): readonly [Loaded<T>, () => Promise<void>] {
  const [loaded, setLoaded] = useState<Loaded<T>>({ kind: 'loading' });
  const look = useCallback(async () => {
    try {
      setLoaded({ kind: 'loaded', value: await ask<T>(path) });
    } catch (err) {
      setLoaded({ kind: 'failed', problem: (err as Error).message });
    }
  }, [path]);
  useEffect(() => void look(), [look]);
  return [loaded, look];
}
