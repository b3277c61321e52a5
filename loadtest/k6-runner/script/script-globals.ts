/** The global names of k6 for one VU. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { refusedGlobals, type ScriptGlobals } from './script-host.ts';
import type { VirtualUser } from './vu.ts';

export function globalsFor(vu: VirtualUser): ScriptGlobals {
  return {
    fixed: {
      open: (path: unknown, mode?: unknown) => openFile(vu, String(path), mode),
      console: consoleFor(vu),
      ...timersFor(vu),
      ...refusedGlobals(vu.refuse),
    },
    bind: set => vu.onGlobals(set),
  };
}

function openFile(vu: VirtualUser, path: string, mode: unknown): string | ArrayBuffer {
  if (!vu.initialising) throw new Error('open() is for the init context: call it outside of functions');
  const bytes = readFileSync(fileURLToPath(new URL(path, vu.run.directory)));
  if (mode !== 'b') return bytes.toString();
  const copy = new ArrayBuffer(bytes.length);
  bytes.copy(new Uint8Array(copy));
  return copy;
}

function consoleFor(vu: VirtualUser) {
  const say =
    (level: 'INFO' | 'WARN' | 'ERRO' | 'DEBU') =>
    (...values: unknown[]) => {
      vu.run.log.line(
        level,
        values.map(value => (typeof value === 'string' ? value : show(value))).join(' '),
      );
    };
  return { log: say('INFO'), info: say('INFO'), debug: say('DEBU'), warn: say('WARN'), error: say('ERRO') };
}

function show(value: unknown): string {
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY });
}

/** Timers that belong to an iteration: it waits for them, and they die with it. */
export function timersFor(vu: VirtualUser) {
  const open = new Map<number, () => void>();
  let made = 0;
  const guarded = (callback: (...values: unknown[]) => unknown, values: unknown[]) => {
    try {
      callback(...values);
    } catch (error) {
      vu.strayError(error);
    }
  };
  const clear = (id: unknown) => {
    const cancel = open.get(Number(id));
    if (cancel === undefined) return;
    cancel();
    vu.end(cancel);
  };
  const start = (repeat: boolean, callback: unknown, delayMs: unknown, values: unknown[]): number => {
    if (typeof callback !== 'function') throw new TypeError('a timer needs a function');
    const id = ++made;
    const fire = () => {
      if (!repeat) {
        open.delete(id);
        if (!vu.end(cancel)) return;
      }
      guarded(callback as () => unknown, values);
    };
    const delay = Math.max(0, Number(delayMs) || 0);
    const timer = repeat ? setInterval(fire, Math.max(1, delay)) : setTimeout(fire, delay);
    const cancel = () => {
      clearTimeout(timer);
      open.delete(id);
    };
    open.set(id, cancel);
    vu.begin(cancel);
    return id;
  };
  return {
    setTimeout: (callback: unknown, delay?: unknown, ...values: unknown[]) =>
      start(false, callback, delay, values),
    setInterval: (callback: unknown, delay?: unknown, ...values: unknown[]) =>
      start(true, callback, delay, values),
    clearTimeout: clear,
    clearInterval: clear,
  };
}
