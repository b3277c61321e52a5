/**
 * The few calls that a scaler makes of the Kubernetes API, with the account that its pod has. Plain HTTPS: the official client would bring forty
 * packages for five requests.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const { request: httpRequest } = process.getBuiltinModule('node:http');
const { request: httpsRequest } = process.getBuiltinModule('node:https');

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** An answer of these calls is a few KB. */
const MOST_BYTES = 1024 * 1024;

export interface Cluster {
  /** `https://10.0.0.1:443` */
  readonly url: string;
  readonly namespace: string;
  /** Read again for each call: the kubelet renews it. */
  readonly token: () => string;
  readonly ca: string | null;
}

export class ClusterError extends Error {
  override readonly name = 'ClusterError';
  /** Of HTTP; 0 where there was no answer. */
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @param env of the process. @throws Error that says what is missing: this is no pod with a service account. */
export function clusterOf(env: Readonly<Record<string, string | undefined>>, folder = ACCOUNT): Cluster {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (!host)
    throw new Error('this process runs in no pod of Kubernetes (KUBERNETES_SERVICE_HOST is not set)');
  const read = (file: string) => {
    try {
      return readFileSync(join(folder, file), 'utf8').trim();
    } catch {
      throw new Error(
        `the pod has no service account (${join(folder, file)} cannot be read): set automountServiceAccountToken`,
      );
    }
  };
  const at = host.includes(':') ? `[${host}]` : host;
  return {
    url: `https://${at}:${port}`,
    namespace: read('namespace'),
    token: () => read('token'),
    ca: read('ca.crt'),
  };
}

export class ClusterApi {
  readonly #cluster: Cluster;
  readonly #limitMs: number;

  /** @param limitMs of one call. */
  constructor(cluster: Cluster, limitMs: number) {
    this.#cluster = cluster;
    this.#limitMs = limitMs;
  }

  /**
   * @param group API group with its version: `apps/v1`. @param path below the namespace: `deployments/x/scale`.
   * @throws ClusterError where it is not done; the message has the API's own words.
   */
  call(
    method: 'GET' | 'PATCH' | 'POST' | 'PUT',
    group: string,
    path: string,
    body?: unknown,
  ): Promise<unknown> {
    const { url, namespace, token, ca } = this.#cluster;
    const target = new URL(`/apis/${group}/namespaces/${namespace}/${path}`, url);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(
        target,
        {
          method,
          headers: {
            ...{ authorization: `Bearer ${token()}`, accept: 'application/json' },
            ...(text === undefined
              ? {}
              : {
                  'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
                  'content-length': Buffer.byteLength(text),
                }),
          },
          ...(ca === null ? {} : { ca }),
          signal: AbortSignal.timeout(this.#limitMs),
        },
        response => {
          let answer = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => {
            answer += part;
            if (answer.length > MOST_BYTES) response.destroy(new Error('the answer is too long'));
          });
          response.on('error', reject);
          response.on('end', () => {
            try {
              resolve(answerOf(response.statusCode ?? 0, answer));
            } catch (err) {
              reject(err);
            }
          });
        },
      );
      request.on('error', err =>
        reject(new ClusterError(0, `the Kubernetes API does not answer: ${err.message}`)),
      );
      request.end(text);
    });
  }
}

function answerOf(status: number, text: string): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  if (status >= 200 && status < 300 && body !== null) return body;
  const { message = '' } = (body ?? {}) as { message?: string };
  throw new ClusterError(
    status,
    `the Kubernetes API answered ${status}${message === '' ? '' : `: ${message}`}`,
  );
}
