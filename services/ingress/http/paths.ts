/**
 * Paths as clients write them. SDKs and tools put a route behind whatever base URL they were given: with a slash too many,
 * with `/v1` twice or not at all, or as Azure's clients do. Such a request is served as the route it means. It is never
 * redirected, since clients send a POST that was redirected without its body, or not at all.
 */

/** What Azure's clients put before a route. A request's body names the model, as everywhere. */
const AZURE = /^\/openai(?:\/deployments\/[^/]+)?(?=\/)/;

export class Paths {
  readonly #routes = new Map<string, Set<string>>();
  /** First words of the paths outside /v1. */
  readonly #roots = new Set<string>();
  /** First words behind /v1. */
  readonly #resources = new Set<string>();

  /** A route is served. @param path as the router has it, with `:id` or `*`. */
  add(method: string, path: string): void {
    const methods = this.#routes.get(path) ?? new Set();
    this.#routes.set(path, methods.add(method));
    const [, first = '', second = ''] = path.split('/');
    if (first === 'v1') this.#resources.add(second);
    else this.#roots.add(first);
  }

  /** As `POST /v1/files`, each route once. */
  list(): string[] {
    return [...this.#routes].flatMap(([path, methods]) => [...methods].map(method => `${method} ${path}`));
  }

  /** The path and query of the route that is meant. Never throws: any text may come. */
  canonical(url: string): string {
    // `*`, or an absolute URL, which the router reads itself.
    if (!url.startsWith('/')) return url;
    const queryAt = url.indexOf('?');
    const path = queryAt < 0 ? url : url.slice(0, queryAt);
    const isPlain = path.startsWith('/v1/') && !path.endsWith('/');
    if (isPlain && !path.includes('//') && !path.startsWith('/v1/v1')) return url;
    const known = this.#resolve(tidy(path));
    return queryAt < 0 ? known : known + url.slice(queryAt);
  }

  #resolve(path: string): string {
    let at = path.replace(AZURE, '');
    while (at.startsWith('/v1/v1/')) at = at.slice(3);
    if (at === '/v1/v1') return '/v1';
    const first = at.split('/', 2)[1] ?? '';
    return this.#resources.has(first) && !this.#roots.has(first) ? `/v1${at}` : at;
  }

  /** A path that ends like a route of fixed words: `/api/v1/chat/completions`. Null where none is served. */
  similar(path: string): string | null {
    const wanted = tidy(path);
    const ends = [...this.#routes.keys()].filter(
      route => !/[:*]/.test(route) && wanted.endsWith(route.replace(/^\/v1(?=\/)/, '')),
    );
    return ends.filter(route => route !== '/').sort((a, b) => b.length - a.length)[0] ?? null;
  }
}

function tidy(path: string): string {
  const single = path.replaceAll(/\/{2,}/g, '/');
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single;
}
