/**
 * Loads a k6 script as k6 does: each VU has its own instance of the script and of every file it imports, so module
 * variables are not shared between VUs. Node's module hooks do it: files of the script are loaded under a URL that ends
 * in the instance's number, and `k6/*` resolves to modules of this runner, made for that instance.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { basename, extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeError, EXIT, RunFailure, UnsupportedApi } from '../outcome/failure.ts';

/** Everything a module offers, by name; also its default export. */
export type ModuleExports = Readonly<Record<string, unknown>>;

/** What scripts find in the global scope. */
export interface ScriptGlobals {
  /** Bound once when the instance is loaded. */
  readonly fixed: ModuleExports;
  /** Called with what changes `__ITER` and `__ENV`. */
  bind(set: (iteration: number | undefined, env: Readonly<Record<string, string>>) => void): void;
}

export interface InstanceSurface {
  readonly vu: number;
  readonly env: Readonly<Record<string, string>>;
  readonly globals: ScriptGlobals;
  /** Null for a module that this runner does not have. */
  module(specifier: string): ModuleExports | null;
}

export type ScriptNamespace = Readonly<Record<string, unknown>>;

/** Node's own globals that k6 does not have: a script that uses one runs here only, so it is refused. */
const NOT_IN_K6 = [
  ...['process', 'Buffer', 'setImmediate', 'clearImmediate', 'performance', 'require', 'navigator'],
  ...['fetch', 'Headers', 'Request', 'FormData', 'Blob', 'WebSocket', 'EventSource', 'AbortController'],
  ...['AbortSignal', 'MessageChannel', 'BroadcastChannel', 'structuredClone', 'queueMicrotask', 'Intl'],
];
const GLOBAL_NAMES = [
  '__ENV',
  '__VU',
  '__ITER',
  'open',
  'console',
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  ...NOT_IN_K6,
];
const SCHEME = 'penstock-load:';
const HOSTS = Symbol.for('penstock.load.hosts');
const hosts: Map<number, ScriptHost> = new Map();
Object.defineProperty(globalThis, HOSTS, { value: hosts, configurable: true });
let hostsMade = 0;

export class ScriptHost {
  readonly #id = ++hostsMade;
  readonly #url: string;
  readonly #sources = new Map<string, string>();
  readonly #instances = new Map<number, InstanceSurface>();
  readonly #hooks: { deregister(): void };

  /** @throws RunFailure when there is no such file. */
  constructor(scriptPath: string) {
    if (!existsSync(scriptPath)) {
      throw new RunFailure(EXIT.scriptException, `there is no script ${scriptPath}`);
    }
    this.#url = pathToFileURL(realpathSync(scriptPath)).href;
    hosts.set(this.#id, this);
    this.#hooks = registerHooks({
      resolve: (specifier, context, next) => this.#resolve(specifier, context, next),
      load: (url, context, next) => this.#load(url, context, next),
    });
  }

  get directory(): URL {
    return new URL('.', this.#url);
  }

  /** Evaluates the script anew for one VU. @throws RunFailure with the place in the script. */
  async load(instance: number, surface: InstanceSurface): Promise<ScriptNamespace> {
    this.#instances.set(instance, surface);
    try {
      return (await import(`${this.#url}?${this.#mark(instance)}`)) as ScriptNamespace;
    } catch (error) {
      if (error instanceof RunFailure) throw error;
      throw new RunFailure(EXIT.scriptException, describeError(error));
    }
  }

  close(): void {
    this.#hooks.deregister();
    hosts.delete(this.#id);
  }

  /** For the generated modules. */
  surface(instance: number): InstanceSurface {
    const surface = this.#instances.get(instance);
    if (surface === undefined) throw new Error(`no instance ${instance}`);
    return surface;
  }

  #mark(instance: number | string): string {
    return `load=${this.#id}&vu=${instance}`;
  }

  #instanceOf(url: string | undefined): string | null {
    if (url === undefined) return null;
    const match = /\?load=(\d+)&vu=(\d+)$/.exec(url);
    return match?.[1] === String(this.#id) ? (match[2] ?? null) : null;
  }

  #resolve(
    specifier: string,
    context: { parentURL?: string | undefined },
    next: (specifier: string) => { url: string; format?: string | null | undefined },
  ) {
    const instance = this.#instanceOf(context.parentURL);
    if (instance === null) return next(specifier);
    if (specifier === 'k6' || specifier.startsWith('k6/') || specifier.startsWith(SCHEME)) {
      const name = specifier.startsWith(SCHEME) ? specifier : SCHEME + specifier;
      return { url: `${name}?${this.#mark(instance)}`, format: 'module', shortCircuit: true };
    }
    if (/^(\.|\/|file:)/.test(specifier)) {
      const { url } = next(specifier);
      return { url: `${url.split('?')[0]}?${this.#mark(instance)}`, shortCircuit: true };
    }
    throw new UnsupportedApi(
      `import '${specifier}'`,
      'k6 scripts of this project import only k6, k6/* and files beside them',
    );
  }

  #load<Next>(url: string, context: object, next: (url: string, context: object) => Next) {
    const instance = this.#instanceOf(url);
    if (instance === null) return next(url, context);
    const bare = url.split('?')[0] ?? url;
    const source = bare.startsWith(SCHEME)
      ? this.#generated(bare.slice(SCHEME.length), Number(instance))
      : this.#source(bare);
    return { format: 'module' as const, source, shortCircuit: true };
  }

  #generated(specifier: string, instance: number): string {
    const access = `globalThis[Symbol.for('penstock.load.hosts')].get(${this.#id}).surface(${instance})`;
    const surface = this.surface(instance);
    if (specifier === 'globals') {
      const names = Object.keys(surface.globals.fixed).join(', ');
      return `const s = ${access};
export let __ITER, __ENV = s.env; export const __VU = s.vu;
export const { ${names} } = s.globals.fixed;
s.globals.bind((iteration, env) => { __ITER = iteration; __ENV = env; });`;
    }
    const exports = surface.module(specifier);
    if (exports === null) throw new UnsupportedApi(`import '${specifier}'`);
    return `const m = ${access}.module(${JSON.stringify(specifier)});
export default m; export const { ${Object.keys(exports).join(', ')} } = m;`;
  }

  /** A file's JavaScript, with an import of those globals that it mentions and does not declare itself. */
  #source(url: string): string {
    const known = this.#sources.get(url);
    if (known !== undefined) return known;
    const path = fileURLToPath(url);
    const text = readFileSync(path, 'utf8');
    const code = extname(path) === '.ts' ? stripTypes(text, path) : text;
    const names = GLOBAL_NAMES.filter(name => mentions(code, name));
    const source =
      names.length === 0 ? code : `import { ${names.join(', ')} } from '${SCHEME}globals';${code}`;
    this.#sources.set(url, source);
    return source;
  }
}

function mentions(code: string, name: string): boolean {
  const used = new RegExp(`(?<![.\\w$])${name}(?![\\w$])`);
  const declared = new RegExp(
    `(?:\\b(?:const|let|var|function|class)\\s+|import\\s[^;]*?[{,\\s]\\s*)${name}(?![\\w$])`,
  );
  return used.test(code) && !declared.test(code);
}

/**
 * Types are replaced by blanks, so lines and columns stay. Node calls the function experimental in a warning; what
 * `node script.ts` itself does is the same. @throws RunFailure with the line that is wrong.
 */
function stripTypes(code: string, path: string): string {
  const warn = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(code);
  } catch (error) {
    throw new RunFailure(
      EXIT.scriptException,
      `SyntaxError: ${(error as Error).message} (${placeIn(code, path)})`,
    );
  } finally {
    process.emitWarning = warn;
  }
}

/** `script.ts:12`. The position is only told to those who give a name, and a name given would be kept in the result. */
function placeIn(code: string, path: string): string {
  const name = basename(path);
  try {
    stripTypeScriptTypes(code, { sourceUrl: name });
  } catch (error) {
    const line = /:(\d+)$/m.exec((error as Error).stack ?? '')?.[1];
    if (line !== undefined) return `${name}:${line}`;
  }
  return name;
}

/** The globals that a script must not use, as objects that say so on first use. */
export function refusedGlobals(refuse: (failure: UnsupportedApi) => void): Record<string, unknown> {
  const refused: Record<string, unknown> = {};
  for (const name of NOT_IN_K6) {
    const fail = (): never => {
      const failure = new UnsupportedApi(name, "it is Node's, k6 does not have it");
      refuse(failure);
      throw failure;
    };
    refused[name] = new Proxy(function refusal() {}, { get: fail, apply: fail, construct: fail });
  }
  return refused;
}
