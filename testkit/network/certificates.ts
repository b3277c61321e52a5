/**
 * Certificates for tests of TLS: an authority, and what it signs, made here, so that one can be expired or of a stranger. As PEM texts. Node makes
 * keys and signatures but no certificates, so their DER is written by hand (RFC 5280).
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const BASIC_CONSTRAINTS = '2.5.29.19';
const ALT_NAMES = '2.5.29.17';
const DAY_MS = 86_400_000;

export class Authority {
  readonly #name: string;
  readonly #key: KeyObject;
  /** Its own certificate, PEM. */
  readonly ca: string;

  constructor(name = 'penstock test authority') {
    this.#name = name;
    const { publicKey, privateKey } = newKey();
    this.#key = privateKey;
    this.ca = this.#certificate(
      name,
      publicKey,
      extension(BASIC_CONSTRAINTS, sequence(tlv(1, byte(255)))),
      30,
    );
  }

  /** A certificate for servers on this machine, and for their clients. @param name who it is. @param days until it ends; negative: it has ended. */
  issue(name: string, days = 30): Certificate {
    const { publicKey, privateKey } = newKey();
    const places = sequence(tlv(0x82, Buffer.from('localhost')), tlv(0x87, Buffer.from([127, 0, 0, 1])));
    return {
      cert: this.#certificate(name, publicKey, extension(ALT_NAMES, places), days),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }

  #certificate(subject: string, key: KeyObject, about: Buffer, days: number): string {
    const until = Date.now() + days * DAY_MS;
    const algorithm = sequence(oid(ECDSA_SHA256));
    const body = sequence(
      tlv(0xa0, tlv(2, byte(2))),
      tlv(2, Buffer.concat([byte(1), randomBytes(8)])),
      algorithm,
      nameOf(this.#name),
      sequence(time(until - 60 * DAY_MS), time(until)),
      nameOf(subject),
      key.export({ type: 'spki', format: 'der' }),
      tlv(0xa3, sequence(about)),
    );
    const signature = tlv(3, Buffer.concat([byte(0), sign('sha256', body, this.#key)]));
    const lines =
      sequence(body, algorithm, signature)
        .toString('base64')
        .match(/.{1,64}/g) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  }
}

function newKey() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function byte(value: number): Buffer {
  return Buffer.from([value]);
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = rest.flatMap(part => {
    const digits = [part & 127];
    for (let left = part >> 7; left > 0; left >>= 7) digits.unshift((left & 127) | 128);
    return digits;
  });
  return tlv(6, Buffer.from([first * 40 + second, ...bytes]));
}

function nameOf(text: string): Buffer {
  return sequence(tlv(0x31, sequence(oid(COMMON_NAME), tlv(0x0c, Buffer.from(text)))));
}

function time(at: number): Buffer {
  return tlv(0x17, Buffer.from(new Date(at).toISOString().replaceAll(/^20|[-:T]|\.\d+/g, '')));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tlv(4, value));
}
