/**
 * What an engine can be asked, found out without making it work. Servers that answer 405 to a route's wrong method (FastAPI: vLLM,
 * SGLang) are asked by GET. Others (llama.cpp) are sent an empty object, which lacks what every endpoint needs: where the route is
 * there, it is refused for that. A server that answers alike whatever it is asked tells nothing.
 */
import { ENDPOINT_TABLE, ENDPOINTS, type Endpoint, isEndpoint, USUAL_ENDPOINTS } from '@penstock/protocol';

/** What the engine has, and where. */
export type EnginePaths = ReadonlyMap<Endpoint, string>;

/** @returns the HTTP status of the answer. A POST has the body `{}`. @throws where there is none in time. */
export type AskStatus = (path: string, method: 'GET' | 'POST') => Promise<number>;

/** No engine has it. */
const NOWHERE = '/v1/penstock-has-no-such-route';
/** Statuses of a route that is not there, or that the engine was not started for. */
const MISSING: ReadonlySet<number> = new Set([404, 405, 501]);

/** Never rejects: what cannot be found out is expected to be as usual. */
export async function probeEndpoints(ask: AskStatus): Promise<EnginePaths> {
  const status = (path: string, method: 'GET' | 'POST') => ask(path, method).catch(() => 0);
  if (await tellsByGet(status)) return find(ENDPOINTS, async path => (await status(path, 'GET')) === 405);
  const found = new Map(USUAL_ENDPOINTS.map(name => [name, ENDPOINT_TABLE[name].enginePaths[0]] as const));
  if (!MISSING.has(await status(NOWHERE, 'POST'))) return found;
  const others = ENDPOINTS.filter(name => !ENDPOINT_TABLE[name].usual);
  const has = async (path: string) => isThere(await status(path, 'POST'));
  return new Map([...found, ...(await find(others, has))]);
}

/** At least one usual route says that it is there, and one that is not says so too. */
async function tellsByGet(status: AskStatus): Promise<boolean> {
  if ((await status(NOWHERE, 'GET')) !== 404) return false;
  for (const name of USUAL_ENDPOINTS)
    if ((await status(ENDPOINT_TABLE[name].enginePaths[0], 'GET')) === 405) return true;
  return false;
}

/** 401 and 403 say nothing about the route, and 0 stands for no answer. */
function isThere(status: number): boolean {
  return status >= 200 && status !== 401 && status !== 403 && !MISSING.has(status);
}

/** One after the other: it is done once, and the engine may be busy. */
async function find(
  endpoints: readonly Endpoint[],
  has: (path: string) => Promise<boolean>,
): Promise<EnginePaths> {
  const found = new Map<Endpoint, string>();
  for (const endpoint of endpoints)
    for (const path of ENDPOINT_TABLE[endpoint].enginePaths)
      if (!found.has(endpoint) && (await has(path))) found.set(endpoint, path);
  return found;
}

/** Reads `auto`, or names of endpoints, each with its path at the engine where that is not the usual one. @throws TypeError */
export function parseEndpoints(text: string): EnginePaths | null {
  if (text.trim() === 'auto') return null;
  return new Map(
    text.split(',').map(part => {
      const [name = '', path] = part.trim().split('=', 2);
      if (!isEndpoint(name) || (path !== undefined && !path.startsWith('/')))
        throw new TypeError(`use auto, or a list of ${ENDPOINTS.join(', ')}; a path goes behind =`);
      return [name, path ?? ENDPOINT_TABLE[name].enginePaths[0]] as const;
    }),
  );
}
