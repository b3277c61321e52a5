/** Which `k6/*` modules there are, and how they are handed to a script. */
import { UnsupportedApi } from '../outcome/failure.ts';
import { timersFor } from '../script/script-globals.ts';
import type { ModuleExports } from '../script/script-host.ts';
import type { VirtualUser } from '../script/vu.ts';
import { cryptoModule, encodingModule } from './bytes.ts';
import { coreModule } from './core.ts';
import { dataModule } from './data.ts';
import { executionModule } from './execution.ts';
import { httpModule } from './http.ts';
import { metricsModule } from './metrics.ts';

const MODULES: Readonly<Record<string, (vu: VirtualUser) => ModuleExports>> = {
  k6: coreModule,
  'k6/http': httpModule,
  'k6/metrics': metricsModule,
  'k6/execution': executionModule,
  'k6/data': dataModule,
  'k6/encoding': encodingModule,
  'k6/crypto': cryptoModule,
  'k6/timers': timersFor,
};

/** The modules of one VU; each is made once, when it is first imported. */
export function modulesFor(vu: VirtualUser): (specifier: string) => ModuleExports | null {
  const made = new Map<string, ModuleExports>();
  return specifier => {
    const known = made.get(specifier);
    if (known !== undefined) return known;
    const make = Object.hasOwn(MODULES, specifier) ? MODULES[specifier] : undefined;
    if (make === undefined) return null;
    const exports = guarded(specifier, make(vu), vu);
    made.set(specifier, exports);
    return exports;
  };
}

/** An object on which an unknown name is an error that says so. */
function guarded(specifier: string, exports: ModuleExports, vu: VirtualUser): ModuleExports {
  return new Proxy(exports, {
    get(target, name) {
      if (typeof name === 'symbol' || Object.hasOwn(target, name)) return Reflect.get(target, name);
      const failure = new UnsupportedApi(`${specifier} ${name}`);
      vu.refuse(failure);
      throw failure;
    },
  });
}
