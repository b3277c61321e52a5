/** A process joins its region: it takes its name, where that must be its own, and compares the settings that all must have alike. */
import { createIdSource, type Logger } from '@penstock/runtime';
import { COMPARE_MS, EqualSettings, type EqualSettingsOptions } from './equal-settings.ts';
import { NodeName, type NodeNameOptions, RENEW_MS } from './node-name.ts';
import { thisProcess } from './this-process.ts';

export interface JoinOptions {
  readonly nodes: NodeNameOptions['nodes'] & EqualSettingsOptions['nodes'];
  /** Of the process. */
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly log: Logger;
  /** Given where no other process of the kind may have the name. */
  readonly holds?: {
    readonly kind: string;
    /** Another process has the name now: this one has to end. */
    readonly onLost: () => void;
  };
}

/** @throws NameTaken where another process has the name, and lives. */
export async function joinRegion({ nodes, name, settings, log, holds }: JoinOptions) {
  let held: NodeName | null = null;
  if (holds !== undefined) {
    const nonce = createIdSource()();
    held = new NodeName({ nodes, name: `${holds.kind}:${name}`, nonce, here: thisProcess() });
    await held.take();
  }
  const equal = new EqualSettings({ nodes, by: name, settings, log });
  await equal.compare();
  const timers = [
    setInterval(() => void equal.compare(), COMPARE_MS),
    setInterval(() => void renew(held, log, () => holds?.onLost()), RENEW_MS),
  ];
  return {
    /** When nothing is asked of the process any more. */
    async leave(): Promise<void> {
      for (const timer of timers) clearInterval(timer);
      await held?.letGo();
    },
  };
}

async function renew(held: NodeName | null, log: Logger, onLost: () => void): Promise<void> {
  const holder = (await held?.renew()) ?? null;
  if (holder === null) return;
  const { host, pid } = holder;
  log.error({ host, pid }, 'another process took this name while this one was paused or cut off: it ends');
  onLost();
}
