/** What `npm audit --json` says of the packages in package-lock.json. */

export interface Advisory {
  readonly name: string;
  /** Versions that have it. */
  readonly range: string;
  readonly severity: string;
  readonly title: string;
  readonly url: string;
}

export type Audit =
  | { readonly kind: 'checked'; readonly packages: number; readonly found: readonly Advisory[] }
  | { readonly kind: 'unreachable'; readonly why: string };

interface Report {
  readonly message?: string;
  readonly error?: { readonly summary?: string };
  readonly vulnerabilities?: Record<string, { readonly via: readonly (string | Partial<Advisory>)[] }>;
  readonly metadata?: { readonly dependencies?: { readonly total?: number } };
}

/** @param stdout of npm; whatever it is, what is not a report means that nothing was checked. */
export function readAudit(stdout: string): Audit {
  let report: Report;
  try {
    report = JSON.parse(stdout) as Report;
  } catch {
    return { kind: 'unreachable', why: 'npm said nothing that can be read' };
  }
  const { vulnerabilities, metadata, message, error } = report;
  if (vulnerabilities === undefined)
    return {
      kind: 'unreachable',
      why: (message || error?.summary || 'npm gave no reason').split('\n', 1)[0] ?? '',
    };
  // Those that are only names have it from another one, which is listed itself.
  const own = Object.values(vulnerabilities).flatMap(({ via }) =>
    via.filter(each => typeof each !== 'string'),
  );
  const found = own.map(({ name = '', range = '', severity = 'unknown', title = '', url = '' }) => ({
    ...{ name, range, severity, title, url },
  }));
  const known = new Map(found.map(each => [`${each.name} ${each.url}`, each]));
  return { kind: 'checked', packages: metadata?.dependencies?.total ?? 0, found: [...known.values()] };
}
