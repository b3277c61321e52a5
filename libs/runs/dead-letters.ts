/** What an operator can do with work that failed on every attempt: inspect, requeue or drop it. Prompts are shown only on request. */
import { DispatchError, decodeEnvelope, isToken, type StoredRun, type WorkMeta } from '@penstock/protocol';
import {
  type DeadLetter,
  type DeadLetters,
  ENCRYPTED,
  type RequestBodies,
  type RunStore,
  type WorkQueue,
} from '@penstock/transport';
import { canReopen, reopen } from './transitions/reopen.ts';

/** It cannot be done; the message is one line that says why and what to do instead. */
export class DeadLetterError extends Error {
  override readonly name = 'DeadLetterError';
}

export interface DeadLetterWires {
  readonly letters: DeadLetters;
  readonly runs: RunStore;
  readonly bodies: Pick<RequestBodies, 'drop' | 'read'>;
  readonly queue: WorkQueue;
  readonly now: () => number;
}

export interface ShownLetter {
  readonly id: string;
  readonly model: string;
  readonly reason: string;
  readonly message: string;
  readonly died_at: string;
  readonly bytes: number;
}

export interface LetterDetails extends ShownLetter {
  readonly endpoint: string;
  readonly lane: string;
  readonly stored: boolean;
  readonly prompt_tokens: number;
  readonly accepted_at: string;
  readonly deadline_at: string;
  /** From the run's record; null without one. */
  readonly run: { readonly kind: string; readonly status: string; readonly attempts: number } | null;
  readonly can_requeue: boolean;
  readonly why_not: string | null;
  /** The client's request; only on request. Null where its client asked that nothing be kept. */
  readonly body?: unknown;
}

export async function listLetters({ letters }: DeadLetterWires): Promise<ShownLetter[]> {
  return (await letters.list()).map(letter => shown(letter, letter.slug));
}

export async function showLetter(
  wires: DeadLetterWires,
  id: string,
  withBody: boolean,
): Promise<LetterDetails> {
  const { letter, meta, body } = await find(wires, id);
  const run = meta.stored ? await wires.runs.read(id) : null;
  const why = whyNot(meta, run);
  return {
    ...shown(letter, meta.model),
    ...{ endpoint: meta.endpoint, lane: meta.lane, stored: meta.stored, prompt_tokens: meta.promptTokens },
    accepted_at: new Date(meta.acceptedAt).toISOString(),
    deadline_at: new Date(meta.deadlineAt).toISOString(),
    run: run === null ? null : { kind: run.kind, status: run.status, attempts: run.attempt },
    ...{ can_requeue: why === null, why_not: why },
    ...(withBody
      ? {
          body: isEncrypted(meta)
            ? ENCRYPTED
            : meta.store === false
              ? null
              : asJson(await wholeBody(wires, meta, body)),
        }
      : {}),
  };
}

/**
 * Queues a stored run again under its own id, with the same time limit as at first. Writes the record, then the message, then deletes
 * the dead letter: repeating an interrupted requeue completes it.
 * @throws DeadLetterError when nobody could get the answer.
 */
export async function requeueLetter(wires: DeadLetterWires, id: string): Promise<ShownLetter> {
  const { letter, meta, body } = await find(wires, id);
  const run = meta.stored ? await wires.runs.read(id) : null;
  const why = whyNot(meta, run);
  if (run === null || why !== null) throw new DeadLetterError(`${id} cannot be queued again: ${why}`);
  // Not the first message's id: the broker remembers it for a while and would drop a repetition.
  const messageId = `${id}-${letter.diedAt}`;
  const isOpen = await reopen(
    { store: wires.runs, queue: wires.queue },
    run,
    { meta, body },
    messageId,
    wires.now(),
  ).catch((err: Error) => {
    if (!(err instanceof DispatchError)) throw err;
    throw new DeadLetterError(`${id} is not in the queue yet (${err.message}) Requeue it again.`);
  });
  if (!isOpen) throw new DeadLetterError(`${id} changed meanwhile: look at it with show ${id}`);
  await wires.letters.drop(letter);
  return shown(letter, meta.model);
}

export async function dropLetter(wires: DeadLetterWires, id: string): Promise<ShownLetter> {
  const found = await wires.letters.get(checkedId(id));
  if (found === null) throw missing(id);
  await wires.letters.drop(found.letter);
  await dropBody(wires, found.data);
  return shown(found.letter, found.letter.slug);
}

/** The message, or the large body that it has a claim to. */
function isEncrypted({ v, claim }: WorkMeta): boolean {
  return v === 2 || claim?.sealed !== undefined;
}

async function wholeBody(
  { bodies }: DeadLetterWires,
  { id, claim }: WorkMeta,
  body: Buffer,
): Promise<Buffer> {
  if (claim === undefined) return body;
  return bodies.read(id, claim).catch((err: Error) => {
    throw new DeadLetterError(`${id} has a large body: ${err.message}`);
  });
}

async function dropBody({ bodies }: DeadLetterWires, message: Uint8Array): Promise<void> {
  try {
    const { meta } = decodeEnvelope(message);
    if (meta.claim !== undefined) await bodies.drop(meta.id);
  } catch {
    // Swept by a tasks process.
  }
}

function checkedId(id: string): string {
  if (!isToken(id)) throw new DeadLetterError('that is not a valid id: list shows the existing ones');
  return id;
}

function missing(id: string): DeadLetterError {
  return new DeadLetterError(
    `there is no dead letter ${id}: it was dropped or requeued, or is older than 7 days`,
  );
}

async function find({ letters }: DeadLetterWires, id: string) {
  const found = await letters.get(checkedId(id));
  if (found === null) throw missing(id);
  try {
    return { letter: found.letter, ...decodeEnvelope(found.data) };
  } catch {
    throw new DeadLetterError(
      `${id} was written by another version of Penstock and cannot be read: it can only be dropped`,
    );
  }
}

function whyNot(meta: WorkMeta, run: StoredRun | null): string | null {
  if (!meta.stored) return 'its client waited on an open connection and has left. Drop it';
  if (run === null) return 'its record is gone, so nobody could fetch the answer. Drop it';
  if (meta.store === false)
    return 'its client asked that nothing of it be kept, its request neither. Drop it';
  if (run.kind === 'batch_line')
    return 'it is a line of a batch, which goes on without it. Send it in a new batch';
  if (canReopen(run.status)) return null;
  return run.status === 'in_progress' ? 'it is running' : `it is ${run.status} already. Drop it`;
}

function shown(letter: DeadLetter, model: string): ShownLetter {
  const { id, reason, message, diedAt, bytes } = letter;
  return { id, model, reason, message, died_at: new Date(diedAt).toISOString(), bytes };
}

function asJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return body.toString('utf8');
  }
}
