/** Does nothing: decisions are told, and people follow them or not. */
import type { Driver } from './driver.ts';

export class AdviseDriver implements Driver {
  async look(heard: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    return heard;
  }

  async order(): Promise<void> {}

  async close(): Promise<void> {}
}
