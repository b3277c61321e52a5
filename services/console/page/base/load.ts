/** What the console is asked for, rather than told of all the time. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

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

/** @returns what there is, and a function that asks again. An answer that comes after another path was asked for is dropped. */
export function useLoaded<T>(path: string): readonly [Loaded<T>, () => Promise<void>] {
  const [loaded, setLoaded] = useState<Loaded<T>>({ kind: 'loading' });
  const latest = useRef(path);
  latest.current = path;
  const look = useCallback(async () => {
    const answer = await ask<T>(path).then(
      (value): Loaded<T> => ({ kind: 'loaded', value }),
      (err: Error): Loaded<T> => ({ kind: 'failed', problem: err.message }),
    );
    if (latest.current === path) setLoaded(answer);
  }, [path]);
  useEffect(() => void look(), [look]);
  return [loaded, look];
}
