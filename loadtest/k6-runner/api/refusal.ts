import { UnsupportedApi } from '../outcome/failure.ts';
import type { VirtualUser } from '../script/vu.ts';

/** A function of k6 that this runner does not have: calling it ends the run with its name. */
export function refused(vu: VirtualUser, name: string, remedy?: string): () => never {
  return () => {
    const failure = new UnsupportedApi(name, remedy);
    vu.refuse(failure);
    throw failure;
  };
}
