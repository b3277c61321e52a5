/** Compares the settings that must be the same in all processes of a region: each would do its part well, and the whole would fail. */
import type { Logger } from '@penstock/runtime';

/** What no process has said for so long is forgotten, ms: after a change everywhere there is nobody to disagree with. */
const REMEMBERED_MS = 15_000;
/** How often settings are compared, ms. */
export const COMPARE_MS = 5000;
/** A difference that lasts is told again after so many comparisons: ten minutes. */
const TELL_AGAIN = 120;

interface OtherSetting {
  readonly setting: string;
  readonly value: string;
  readonly by: string;
}

export interface EqualSettingsOptions {
  readonly nodes: {
    compare(
      by: string,
      settings: Readonly<Record<string, string>>,
      ttlMs: number,
    ): Promise<readonly OtherSetting[]>;
  };
  /** Name of this process. */
  readonly by: string;
  /** Setting → its value, in a form that is the same wherever it means the same. */
  readonly settings: Readonly<Record<string, string>>;
  readonly log: Pick<Logger, 'warn'>;
}

export class EqualSettings {
  readonly #o: EqualSettingsOptions;
  #told = '';
  #comparisons = 0;
  #isComparing = false;

  constructor(options: EqualSettingsOptions) {
    this.#o = options;
  }

  /** To be called at the start, and every {@link COMPARE_MS}. Never rejects. */
  async compare(): Promise<void> {
    if (this.#isComparing) return;
    this.#isComparing = true;
    const { nodes, by, settings } = this.#o;
    const others = await nodes.compare(by, settings, REMEMBERED_MS).catch(() => []);
    this.#isComparing = false;
    const found = others.map(({ setting, value }) => `${setting} ${value}`).join();
    if (found === this.#told && ++this.#comparisons % TELL_AGAIN !== 0) return;
    this.#told = found;
    this.#comparisons = 0;
    for (const { setting, value, by: other } of others)
      this.#o.log.warn(
        { setting, here: settings[setting], there: value, other },
        `${setting} is ${settings[setting]} here and ${value} at ${other}: it must be the same, so requests may be lost or run twice until it is`,
      );
  }
}
