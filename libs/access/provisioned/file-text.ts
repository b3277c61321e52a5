/** Reads the operator's file of projects. What is wrong is said with the line where it stands. */
import { hash } from 'node:crypto';
import {
  type Project,
  type ProjectLimits,
  type ProjectsInFile,
  projectsFile,
  USUAL_WEIGHT,
} from '@penstock/protocol';
import type { z } from 'zod';
import { JsonError, type JsonWithLines, readJsonWithLines } from './json-lines.ts';
import type { FileKey, Provision } from './provisioned.ts';

const LEAST_KEY_LENGTH = 16;
/** Who holds the keys of a file, for the admin API. */
const ACCOUNT = { id: 'svc_acct_file', name: 'file of projects' };
/** Told at once. */
const MOST_PROBLEMS = 10;

export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';
}

export interface FileSurroundings {
  /** What stands in a file of a key. @throws where it cannot be read. */
  readonly readKey: (path: string) => string;
  /** Of all that is in it, Unix seconds. */
  readonly createdAt: number;
}

type Path = readonly PropertyKey[];

/** @throws ProvisionError */
export function readProjectsText(text: string, { readKey, createdAt }: FileSurroundings): Provision {
  const json = parse(text);
  const found = new Problems(json.lineOf);
  const parsed = projectsFile.safeParse(json.value);
  if (!parsed.success) for (const issue of parsed.error.issues) found.add(issue.path, wordsOf(issue));
  found.throwIfAny();
  const provision = toProvision(parsed.data ?? { projects: [] }, readKey, createdAt, found);
  found.throwIfAny();
  return provision;
}

function parse(text: string): JsonWithLines {
  try {
    return readJsonWithLines(text);
  } catch (err) {
    if (err instanceof JsonError) throw new ProvisionError(`line ${err.line}: ${err.message}`);
    throw err;
  }
}

function toProvision(
  { projects }: ProjectsInFile,
  readKey: FileSurroundings['readKey'],
  createdAt: number,
  found: Problems,
): Provision {
  const provision = { projects: new Map<string, Project>(), keys: new Map<string, FileKey>() };
  for (const [i, { id, name, models, weight = USUAL_WEIGHT, limits = {}, keys }] of projects.entries()) {
    if (provision.projects.has(id)) found.add(['projects', i, 'id'], 'there is another project of this id');
    provision.projects.set(id, {
      ...{ id, name, createdAt, archivedAt: null, isInFile: true, revision: 0, weight },
      ...{ serviceAccounts: [{ ...ACCOUNT, createdAt }], limits: limits as ProjectLimits },
      models: permissionsOf(models),
    });
    for (const [j, key] of keys.entries()) {
      const at = ['projects', i, 'keys', j];
      const digest = digestOf(key, readKey, problem => found.add(at, problem));
      if (digest === null) continue;
      if (provision.keys.has(digest)) found.add(at, 'this key is in the file twice');
      provision.keys.set(digest, toFileKey(id, key, digest, createdAt));
    }
  }
  return provision;
}

type KeyInFile = ProjectsInFile['projects'][number]['keys'][number];

/** In hex; null where it cannot be told, which is said. */
function digestOf(
  { sha256, file = '' }: KeyInFile,
  readKey: FileSurroundings['readKey'],
  say: (problem: string) => void,
): string | null {
  if (sha256 !== undefined) return sha256;
  try {
    const text = readKey(file).trim();
    if (text.length >= LEAST_KEY_LENGTH && !/\s/.test(text)) return hash('sha256', text);
    say(`${file} has to hold one key of ${LEAST_KEY_LENGTH} characters or more`);
  } catch (err) {
    say(`${file} cannot be read (${(err as NodeJS.ErrnoException).code ?? 'no file'})`);
  }
  return null;
}

function toFileKey(
  project: string,
  { name, scopes, expires_at: ends }: KeyInFile,
  digest: string,
  createdAt: number,
): FileKey {
  return {
    ...{ id: `key_file_${digest.slice(0, 12)}`, project, account: ACCOUNT.id, name },
    ...{ hmac: '', pepper: '', hint: `sha256:${digest.slice(0, 12)}…`, createdAt, revision: 0 },
    expiresAt: ends === undefined ? null : Math.floor(Date.parse(ends) / 1000),
    scopes: scopes === undefined || scopes.length === 0 ? null : scopes,
  };
}

function permissionsOf(models: ProjectsInFile['projects'][number]['models']): Project['models'] {
  if (models === undefined) return null;
  const { allow, deny = [] } = models;
  return allow === undefined ? { mode: 'deny_list', names: deny } : { mode: 'allow_list', names: allow };
}

class Problems {
  readonly #lineOf: JsonWithLines['lineOf'];
  readonly #found = new Map<string, number>();

  constructor(lineOf: JsonWithLines['lineOf']) {
    this.#lineOf = lineOf;
  }

  /** @param path of what is wrong */
  add(path: Path, words: string): void {
    const line = this.#lineOf(path);
    this.#found.set(`line ${line}: ${words}`, line);
  }

  /** @throws ProvisionError */
  throwIfAny(): void {
    if (this.#found.size === 0) return;
    const inOrder = [...this.#found].sort(([, a], [, b]) => a - b).map(([words]) => words);
    const more = inOrder.length - MOST_PROBLEMS;
    throw new ProvisionError(
      [...inOrder.slice(0, MOST_PROBLEMS), ...(more > 0 ? [`and ${more} more`] : [])].join('; '),
    );
  }
}

/** What zod says of keys that it does not know is a list of them. */
function wordsOf(issue: z.core.$ZodIssue): string {
  const name = issue.path.filter(part => typeof part === 'string').at(-1);
  if (issue.code === 'unrecognized_keys') return `there is no ${issue.keys.join(', ')} here`;
  return name === undefined ? issue.message : `${String(name)}: ${issue.message}`;
}
