/**
 * Where this system may post to on behalf of a client. A client chooses the URL, so it may choose what only we can reach: our
 * own servers, the cloud's metadata service, a neighbour. Addresses are checked after the name was resolved, and the connection
 * is then made to the checked addresses, so that a second look-up cannot change them.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';

/** A URL or an address that is not allowed. The message says what to do; it never quotes the URL. */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused';
}

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}
/** @throws when the name has no address. */
export type Resolve = (host: string) => Promise<readonly Address[]>;

type Cidr = ReturnType<typeof ipaddr.parseCIDR>;
interface Allowed {
  /** A name, or null where addresses are meant. */
  readonly host: string | null;
  readonly range: Cidr | null;
  /** Null for any. */
  readonly port: number | null;
  /** Whether it is refused whatever else allows it. */
  readonly isRefused: boolean;
}
/** Hosts and addresses that are allowed although they would be refused, and what of them is not. */
export type AllowList = readonly Allowed[];

/** Only global unicast was ever assigned (RFC 4291); `::a.b.c.d` and the like lie outside. */
const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3');
/** In a public range, but a cloud's own service for its machines. */
const CLOUD_ONLY: readonly string[] = ['168.63.129.16'];

/**
 * @param text hosts, addresses and CIDR ranges, each with or without `:port`, comma-separated; `!` before one takes it out of what the others allow.
 * @throws Error naming a bad part.
 */
export function readAllowList(text: string): AllowList {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(Boolean)
    .map(readAllowed);
}

function readAllowed(text: string): Allowed {
  const isRefused = text.startsWith('!');
  const part = isRefused ? text.slice(1) : text;
  const match = /^(\[[0-9a-f:./]+\]|[^:]+|[0-9a-f:]+(?:\/\d+)?)(?::(\d{1,5}))?$/i.exec(part);
  const host = match?.[1]?.replace(/^\[|\]$/g, '').toLowerCase();
  const port = match?.[2] === undefined ? null : Number(match[2]);
  if (host === undefined || (port !== null && (port < 1 || port > 65_535)))
    throw new Error(`${part} is no host, address or CIDR range, with or without :port`);
  if (ipaddr.isValidCIDR(host)) return { host: null, range: ipaddr.parseCIDR(host), port, isRefused };
  if (ipaddr.isValid(host)) {
    const address = ipaddr.parse(host);
    return { host: null, range: [address, address.kind() === 'ipv4' ? 32 : 128], port, isRefused };
  }
  if (!/^[a-z0-9.-]+$/.test(host)) throw new Error(`${part} is no host, address or CIDR range`);
  return { host, range: null, port, isRefused };
}

/** Whether an address belongs to the public internet. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text) || CLOUD_ONLY.includes(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || address.match(GLOBAL_V6);
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function isNamed(allow: AllowList, url: URL): boolean {
  const host = hostOf(url);
  return permits(allow, each => each.host === host && (each.port === null || each.port === portOf(url)));
}

/** Whether an address is taken out of what is allowed, whatever name led to it. */
function isTakenOut(allow: AllowList, text: string, port: number): boolean {
  if (!ipaddr.isValid(text)) return false;
  const isAbout = aboutAddress(text, port);
  return allow.some(part => part.isRefused && isAbout(part));
}

/** Whether some part is about it, and all of these allow it. */
function permits(allow: AllowList, isAbout: (part: Allowed) => boolean): boolean {
  const about = allow.filter(isAbout);
  return about.length > 0 && about.every(({ isRefused }) => !isRefused);
}

function isAllowedAddress(allow: AllowList, text: string, port: number): boolean {
  return permits(allow, aboutAddress(text, port));
}

function aboutAddress(text: string, port: number): (part: Allowed) => boolean {
  const address = ipaddr.parse(text);
  return ({ range, port: only }) =>
    range !== null &&
    (only === null || only === port) &&
    address.kind() === range[0].kind() &&
    address.match(range);
}

/** Checks what can be checked of a URL without resolving its name. @throws EgressRefused */
export function checkEgressUrl(text: string, allow: AllowList): URL {
  const url = URL.parse(text);
  if (url === null) throw new EgressRefused('The URL cannot be read. Give it as https://host/path.');
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new EgressRefused('Only https URLs are called.');
  if (url.username !== '' || url.password !== '')
    throw new EgressRefused('The URL must not hold a user name or a password.');
  const host = hostOf(url);
  const literal = ipaddr.isValid(host);
  const allowed = isNamed(allow, url) || (literal && isAllowedAddress(allow, host, portOf(url)));
  if (allowed) return url;
  if (literal && !isPublicAddress(host)) throw notPublic();
  if (url.protocol === 'http:') throw new EgressRefused('Only https URLs are called: use https.');
  // Ports below 1024 belong to services that speak other protocols.
  if (portOf(url) !== 443 && portOf(url) < 1024)
    throw new EgressRefused('The port must be 443, or 1024 or higher.');
  return url;
}

/** Names that resolve inside, whoever asks. */
const INNER_NAME = /^[^.]+\.?$|(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp)\.?$/i;

/**
 * Why an engine is not to fetch what a request names; null where it may. It resolves the name by itself, later and elsewhere: what a public name
 * resolves to there is for the engine's own network rules.
 */
export function whyNotFetched(text: string, allow: AllowList): string | null {
  const url = URL.parse(text);
  try {
    if (url?.protocol === 'http:' && !isNamed(allow, url)) {
      // Media are fetched without a key, so they need no secrecy; all other rules hold.
      const login = url.username === '' && url.password === '' ? '' : 'x@';
      const asHttps = checkEgressUrl(`https://${login}${url.host}/`, allow);
      return isInner(asHttps, allow) ? notPublic().message : null;
    }
    const checked = checkEgressUrl(text, allow);
    return isInner(checked, allow) ? notPublic().message : null;
  } catch (err) {
    if (err instanceof EgressRefused) return err.message.replace('called', 'fetched');
    throw err;
  }
}

function isInner(url: URL, allow: AllowList): boolean {
  const host = hostOf(url);
  return !ipaddr.isValid(host) && INNER_NAME.test(host) && !isNamed(allow, url);
}

function notPublic(): EgressRefused {
  return new EgressRefused('The host is not on the public internet.');
}

/**
 * The addresses to connect to, each of them checked. A single one that is not allowed refuses the name.
 * @throws EgressRefused, or what the resolver throws.
 */
export async function resolveEgress(
  url: URL,
  allow: AllowList,
  resolve: Resolve = resolveBySystem,
): Promise<readonly Address[]> {
  const host = hostOf(url);
  const found = ipaddr.isValid(host) ? [toAddress(host)] : await resolve(host);
  if (found.length === 0) throw new Error('the name has no address');
  if (isNamed(allow, url)) {
    if (found.some(({ address }) => isTakenOut(allow, address, portOf(url)))) throw notPublic();
    return found;
  }
  for (const { address } of found)
    if (
      !isPublicAddress(address) &&
      !(ipaddr.isValid(address) && isAllowedAddress(allow, address, portOf(url)))
    )
      throw notPublic();
  return found;
}

function toAddress(address: string): Address {
  return { address, family: ipaddr.parse(address).kind() === 'ipv4' ? 4 : 6 };
}

async function resolveBySystem(host: string): Promise<readonly Address[]> {
  const found = await systemLookup(host, { all: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
}
