/** A load balancer, as far as clients see one: it follows `/readyz` and keeps its connections. */
import { Agent, request } from 'node:http';
import { API_KEY, waitFor } from '../stack.ts';

const LOOK_MS = 50;

/** Sends each request to a node that was ready a moment ago. */
export function startBalancer(urls: readonly string[]) {
  const ready = new Set(urls);
  const takenOut = new Set<string>();
  const agent = new Agent({ keepAlive: true });
  const look = async (url: string) => {
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    if (answer?.ok === true && !takenOut.has(url)) ready.add(url);
    else ready.delete(url);
  };
  const looking = setInterval(() => urls.forEach(url => void look(url)), LOOK_MS);
  let turn = 0;
  return {
    ready,
    /** Sends a node nothing any more, or again. */
    takeOut(url: string, isOut: boolean): void {
      ready.delete(url);
      if (isOut) takenOut.add(url);
      else takenOut.delete(url);
    },
    /**
     * A GET where there is no body.
     * @returns the whole answer. @throws where there is none, or it breaks off.
     */
    async send(path: string, body: object | null): Promise<{ status: number; text: string }> {
      // On a busy machine all may be not ready for a moment: what has no node yet waits for one.
      await waitFor(() => ready.size > 0);
      const all = [...ready];
      const url = all[turn++ % all.length] ?? '';
      const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
      const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
      const method = body === null ? 'GET' : 'POST';
      const sent = request(`${url}${path}`, { method, agent, headers }, answer => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
        answer.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(body === null ? undefined : JSON.stringify(body));
      return promise;
    },
    stop() {
      clearInterval(looking);
      agent.destroy();
    },
  };
}

export type Balancer = ReturnType<typeof startBalancer>;
