/** A rolling upgrade from the previous release, and back again, while clients go on asking. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Balancer } from '../../../testkit/network/balancer.ts';
import { saidTo } from '../../../testkit/responses.ts';
import { chat, waitFor } from '../../../testkit/stack.ts';
import { readEvents } from '../../chaos/invariants.ts';
import { runChecks, type SuiteSet } from '../suite.ts';
import { ORDER, startRegion, type UpgradeRegion } from './region.ts';
import { PRESENT, type Release, unpackPrevious } from './releases.ts';

const NOTES = `Two ingress nodes, two workers and a tasks process of the previous release, which is unpacked beside this one, under streams, calls and background responses. Each process is
replaced by one of this release, in the order of [upgrading](upgrading.md), and then back again in the opposite order. Every answer has to come, whole and to the letter. Until there is a
release the previous one is a commit whose reply packets have the version before; a shallow clone does not have it, and skips this.`;

const STREAM_WORDS = 150;
const CALL_WORDS = 5;
const CLIENTS_OF_A_KIND = 3;
/** Answers that have to come before the next process is replaced. */
const BETWEEN = 8;

export const UPGRADE: SuiteSet = {
  title: 'Rolling upgrade',
  notes: NOTES,
  async run(say) {
    const dir = mkdtempSync(join(tmpdir(), 'penstock-upgrade-'));
    try {
      const previous = unpackPrevious(dir);
      const judge = `this release and ${previous?.name ?? 'the previous one'}`;
      const about = { suite: 'upgrade', judge, unit: 'steps' };
      if (previous === null) {
        const detail = 'the commit of the previous release is not here: this is a shallow clone';
        return [{ ...about, cases: [{ name: 'upgrade', status: 'skipped', detail }] }];
      }
      await using region = await startRegion(previous);
      const load = new Load(region.balancer);
      const cases = await runChecks(stepsOf(region, load, previous), say);
      say(`${load.answered} answers`);
      return [{ ...about, cases }];
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

function stepsOf(region: UpgradeRegion, load: Load, previous: Release) {
  const step = (name: (typeof ORDER)[number], of: Release) => async () => {
    await region.replace(name, of);
    await load.goesOn();
  };
  return {
    'the previous release answers': () => load.goesOn(),
    ...Object.fromEntries(ORDER.map(name => [`upgraded: ${name}`, step(name, PRESENT)])),
    ...Object.fromEntries(ORDER.toReversed().map(name => [`rolled back: ${name}`, step(name, previous)])),
    'all that was accepted is answered': () => load.end(),
  };
}

/** Clients that ask again as soon as they are answered, and take note of everything that is not as it should be. */
class Load {
  answered = 0;
  readonly #balancer: Balancer;
  readonly #failed: string[] = [];
  readonly #clients: Promise<void>[];
  #isOver = false;

  constructor(balancer: Balancer) {
    this.#balancer = balancer;
    const kinds: readonly ((question: string) => Promise<void>)[] = [
      question => this.#stream(question),
      question => this.#call(question),
      question => this.#background(question),
    ];
    this.#clients = kinds.flatMap((ask, kind) =>
      Array.from({ length: CLIENTS_OF_A_KIND }, (_, i) => this.#client(`upgrade ${kind}.${i}`, ask)),
    );
  }

  /** @throws where anything has failed since. */
  async goesOn(): Promise<void> {
    const from = this.answered;
    await waitFor(() => this.answered >= from + BETWEEN || this.#failed.length > 0, 60_000);
    this.#assertNone();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#assertNone();
  }

  #assertNone(): void {
    const failed = this.#failed.splice(0);
    assert.equal(failed.length, 0, `${failed.length} failed: ${failed[0]}`);
  }

  async #client(name: string, ask: (question: string) => Promise<void>): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      await ask(`${name}.${i}`).then(
        () => this.answered++,
        (err: Error) => this.#failed.push(err.message),
      );
      await sleep(10);
    }
  }

  async #stream(question: string): Promise<void> {
    const body = chat(question, { max_tokens: STREAM_WORDS, stream: true });
    const { status, text } = await this.#balancer.send('/v1/chat/completions', body);
    assert.equal(status, 200, `a stream got ${status} ${text.slice(0, 200)}`);
    const { text: said, isDone, error } = readEvents(text);
    assert.deepEqual(
      { said, isDone, error },
      { said: saidTo(question, STREAM_WORDS), isDone: true, error: null },
    );
  }

  async #call(question: string): Promise<void> {
    const body = chat(question, { max_tokens: CALL_WORDS });
    const { status, text } = await this.#balancer.send('/v1/chat/completions', body);
    assert.equal(status, 200, `a call got ${status} ${text.slice(0, 200)}`);
    assert.equal(JSON.parse(text).choices[0].message.content, saidTo(question, CALL_WORDS));
  }

  async #background(question: string): Promise<void> {
    const body = { model: 'sim-chat', input: question, background: true, max_output_tokens: CALL_WORDS };
    const accepted = await this.#balancer.send('/v1/responses', body);
    assert.equal(accepted.status, 200, `a response got ${accepted.status} ${accepted.text.slice(0, 200)}`);
    const { id } = JSON.parse(accepted.text) as { id: string };
    let last = '';
    await waitFor(async () => {
      last = (await this.#balancer.send(`/v1/responses/${id}`, null)).text;
      return !['queued', 'in_progress'].includes(JSON.parse(last).status);
    });
    const { status, output } = JSON.parse(last);
    assert.ok(['completed', 'incomplete'].includes(status), `a response ended so: ${last.slice(0, 300)}`);
    assert.equal(output[0].content[0].text, saidTo(question, CALL_WORDS));
  }
}
