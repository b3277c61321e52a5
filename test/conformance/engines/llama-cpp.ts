/** llama.cpp's server, built from the sources that a Python package ships, and processes of it. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../testkit/ports.ts';
import { type ServiceProcess, startProcess } from '../../../testkit/process.ts';
import { must } from '../programs.ts';
import type { Say } from '../suite.ts';

/** Its source package holds llama.cpp (MIT, as the package is). */
const PACKAGE = 'llama-cpp-python';
const VERSION = '0.3.36';
export const LLAMA_CPP = `llama.cpp as in ${PACKAGE} ${VERSION}`;

/** Outside of the checkout: a build takes a quarter of an hour on two cores. */
const CACHE = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'penstock',
  `llama-cpp-${VERSION}`,
);
const SWITCHES = {
  CMAKE_BUILD_TYPE: 'Release',
  BUILD_SHARED_LIBS: 'OFF',
  LLAMA_BUILD_TESTS: 'OFF',
  LLAMA_BUILD_EXAMPLES: 'OFF',
  LLAMA_BUILD_UI: 'OFF',
  LLAMA_USE_PREBUILT_UI: 'OFF',
  LLAMA_OPENSSL: 'OFF',
  GGML_NATIVE: 'OFF',
};

/**
 * Path of `llama-server`: `PENSTOCK_LLAMA_SERVER`, or one that is built once for this user.
 * @throws ConformanceError that says what to install.
 */
export function ensureLlamaServer(say: Say): string {
  const own = process.env['PENSTOCK_LLAMA_SERVER'];
  if (own !== undefined) return own;
  const binary = join(CACHE, 'llama-server');
  if (existsSync(binary)) return binary;
  say(`building llama-server in ${CACHE} (a quarter of an hour, once)`);
  mkdirSync(CACHE, { recursive: true });
  const pip = ['-m', 'pip', 'download', '-q', '--no-deps', '--no-binary', PACKAGE, `${PACKAGE}==${VERSION}`];
  must('python3', pip, 'pip needs its package index.', CACHE);
  const archive = readdirSync(CACHE).find(name => name.endsWith('.tar.gz')) ?? '';
  must('tar', ['xf', archive], 'tar is needed.', CACHE);
  const source = join(CACHE, archive.slice(0, -'.tar.gz'.length), 'vendor/llama.cpp');
  const compiler = 'Install a C++ compiler and CMake (Debian: apt-get install g++ cmake make).';
  const switches = Object.entries(SWITCHES).map(([name, value]) => `-D${name}=${value}`);
  must('cmake', ['-B', 'build', ...switches, source], compiler, CACHE);
  must('cmake', ['--build', 'build', '--target', 'llama-server', '--parallel', '2'], compiler, CACHE);
  renameSync(join(CACHE, 'build/bin/llama-server'), binary);
  for (const name of readdirSync(CACHE))
    if (name !== 'llama-server') rmSync(join(CACHE, name), { recursive: true });
  return binary;
}

export interface LlamaOptions {
  /** Path of the GGUF file. */
  readonly model: string;
  /** The model's name in the API. */
  readonly name: string;
  readonly slots: number;
  readonly embeddings?: boolean;
  /** Of an engine that was there before; a free one when absent. */
  readonly port?: number;
}

export interface LlamaServer {
  readonly url: string;
  readonly port: number;
  readonly process: ServiceProcess;
  /** Requests that run in it, and that wait in it for a slot. */
  load(): Promise<{ readonly running: number; readonly waiting: number }>;
}

export async function startLlama(binary: string, options: LlamaOptions): Promise<LlamaServer> {
  const port = options.port ?? (await freePort());
  const args = [
    ...['-m', options.model, '-a', options.name, '--host', '127.0.0.1', '--port', String(port)],
    ...[
      '-np',
      String(options.slots),
      '-c',
      String(4096 * options.slots),
      '-t',
      '1',
      '--jinja',
      '--metrics',
      '--slots',
    ],
    ...(options.embeddings ? ['--embeddings', '--pooling', 'mean'] : []),
  ];
  const process = await startProcess(binary, args, {
    readyWhen: line => line.includes('listening on http'),
  });
  const url = `http://127.0.0.1:${port}`;
  return { url, port, process, load: () => readLoad(url) };
}

async function readLoad(url: string) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const gauge = (name: string) => Number(new RegExp(`^llamacpp:${name} (\\S+)$`, 'm').exec(text)?.[1]);
  return { running: gauge('requests_processing'), waiting: gauge('requests_deferred') };
}
