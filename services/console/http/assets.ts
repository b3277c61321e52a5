/**
 * The files of the page, made when the process starts: types are stripped off our TypeScript as Node does it (in the packed
 * command they are off already), and names of packages become paths, so that a browser loads all of them as modules. Nothing is
 * built, and nothing is read while the console serves.
 */
import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { MODULE_EXTENSION } from '@penstock/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { paletteCss } from '../shared/palette.ts';

const ROOM = resolve(import.meta.dirname, '..');
/** Folders whose files the page consists of. */
const FOLDERS = ['page', 'page/base', 'page/now', 'page/operations', 'shared'];
/** Packages that the page imports, and the file of each. */
const PACKAGES: Readonly<Record<string, string>> = {
  preact: 'preact',
  'preact/hooks': 'preact/hooks',
  htm: 'htm',
  uplot: 'uplot/dist/uPlot.iife.min.js',
};
/** What a browser keeps for good: another version has another path. */
const FOR_GOOD = 'public, max-age=31536000, immutable';
const JS = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SVG = 'image/svg+xml';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly gzip: Buffer;
}

export interface Assets {
  /** By path below {@link base}. */
  readonly files: ReadonlyMap<string, Asset>;
  /** Begins with a slash and ends without one; has the digest of all files in it. */
  readonly base: string;
}

export function loadAssets(): Assets {
  const texts = new Map<string, readonly [type: string, text: string]>();
  for (const folder of FOLDERS)
    for (const name of readdirSync(join(ROOM, folder)).filter(isServed)) {
      const text = readFileSync(join(ROOM, folder, name), 'utf8');
      texts.set(`${folder}/${name}`, servedAs(name, text, folder.replace(/[^/]+/g, '..')));
    }
  for (const name of Object.keys(PACKAGES)) texts.set(pathOf(name), [JS, packageText(name)]);
  texts.set('lib/uplot.css', [CSS, readPackage('uplot/dist/uPlot.min.css')]);
  texts.set('shared/palette.css', [CSS, paletteCss()]);
  const files = new Map([...texts].map(([path, [type, text]]) => [path, assetOf(type, text)]));
  const digest = hash('sha256', JSON.stringify([...texts]), 'hex').slice(0, 12);
  return { files, base: `/assets/${digest}` };
}

function isServed(name: string): boolean {
  return ['.css', '.svg', MODULE_EXTENSION].includes(extname(name)) && !name.endsWith('.test.ts');
}

/** @param up from the file to {@link Assets.base}. */
function servedAs(name: string, text: string, up: string): readonly [type: string, text: string] {
  if (name.endsWith('.css')) return [CSS, text];
  if (name.endsWith('.svg')) return [SVG, text];
  return [JS, withPaths(name.endsWith('.ts') ? withoutTypes(text) : text, up)];
}

function assetOf(type: string, text: string): Asset {
  const body = Buffer.from(text);
  return { type, body, gzip: gzipSync(body, { level: 9 }) };
}

function pathOf(name: string): string {
  return `lib/${name.replaceAll('/', '-')}.js`;
}

function readPackage(file: string): string {
  return readFileSync(new URL(import.meta.resolve(file)), 'utf8');
}

/** uPlot's small file is no module, but declares one name. */
function packageText(name: string): string {
  const text = readPackage(PACKAGES[name] ?? name).replace(/\n?\/\/# sourceMappingURL=.*/g, '');
  return name === 'uplot' ? `${text}\nexport default uPlot;` : withPaths(text, '..');
}

/** `from 'preact'` → `from '../lib/preact.js'`. @param up from the importing file to {@link Assets.base}. */
function withPaths(code: string, up: string): string {
  return code.replace(/\b(from\s*)(["'])([\w/-]+)\2/g, (all, from, quote, name) =>
    Object.hasOwn(PACKAGES, name) ? `${from}${quote}${up}/${pathOf(name)}${quote}` : all,
  );
}

/** Node warns that its function may change; what it makes here is tried by every test of the page. */
function withoutTypes(code: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(code, { mode: 'strip' });
  } finally {
    process.emitWarning = emitWarning;
  }
}

export function serveAssets(app: FastifyInstance, { files, base }: Assets): void {
  for (const [path, asset] of files)
    app.get(`${base}/${path}`, (request, reply) => send(request, reply, asset, FOR_GOOD));
}

export function send(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, body, gzip }: Asset,
  keep: string,
): FastifyReply {
  const isSmall = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  reply.type(type).header('cache-control', keep).header('vary', 'accept-encoding');
  return isSmall ? reply.header('content-encoding', 'gzip').send(gzip) : reply.send(body);
}

/** The page itself. Every module is named in it, so that a browser asks for all of them at once. */
export function pageOf({ files, base }: Assets): Asset {
  const modules = [...files].filter(([, { type }]) => type === JS).map(([path]) => path);
  const styles = ['shared/palette.css', 'lib/uplot.css', 'page/style.css'];
  return assetOf(
    'text/html; charset=utf-8',
    `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Penstock</title>
<link rel="icon" href="${base}/page/icon.svg">
${styles.map(path => `<link rel="stylesheet" href="${base}/${path}">`).join('\n')}
${modules.map(path => `<link rel="modulepreload" href="${base}/${path}">`).join('\n')}
<script type="module" src="${base}/page/main${MODULE_EXTENSION}"></script>
</head>
<body><noscript>The console needs JavaScript.</noscript></body>
</html>
`,
  );
}
