import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Authority } from '../../../testkit/network/certificates.ts';
import { readTlsMaterial } from './tls-material.ts';
import { tlsTrouble } from './tls-trouble.ts';

const authority = new Authority();
const own = authority.issue('worker');

test('certificates are looked at before a server sees them', () => {
  assert.equal(readTlsMaterial('PENSTOCK_X', {}), null);
  const ca = `${authority.ca}${new Authority('another').ca}`;
  assert.deepEqual(readTlsMaterial('PENSTOCK_X', { ca, ...own }), { ca, ...own });
  const other = authority.issue('other');
  for (const [material, why] of [
    [{ ca: 's3cret' }, /PENSTOCK_X_CA holds no certificate .* PENSTOCK_X_CA_FILE/],
    [{ ca: own.key }, /PENSTOCK_X_CA holds no certificate/],
    [{ key: own.key }, /set both or none/],
    [{ cert: own.cert, key: 's3cret' }, /PENSTOCK_X_KEY is no private key/],
    [{ cert: own.cert, key: other.key }, /PENSTOCK_X_KEY is not the key of/],
    [authority.issue('old', -1), /PENSTOCK_X_CERT has expired \(/],
  ] as const)
    assert.throws(
      () => readTlsMaterial('PENSTOCK_X', material),
      (err: Error) =>
        err.name === 'ConnectError' && why.test(err.message) && !/s3cret|BEGIN/.test(err.message),
      why.source,
    );
});

test('what a handshake failed with is told with its remedy, also where it is the cause of another error', () => {
  for (const [code, why] of [
    ['SELF_SIGNED_CERT_IN_CHAIN', /PENSTOCK_X_CA_FILE/],
    ['CERT_HAS_EXPIRED', /its certificate has expired/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /name in the address/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /PENSTOCK_X_CERT_FILE/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /does not accept the certificate of PENSTOCK_X_CERT/],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', /PENSTOCK_X_CERT expired/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /speaks no TLS/],
  ] as const) {
    const err = Object.assign(new Error('x'), { code });
    assert.match(tlsTrouble(err, 'PENSTOCK_X') ?? '', why, code);
    assert.match(tlsTrouble(new Error('y', { cause: err }), 'PENSTOCK_X') ?? '', why, code);
  }
  for (const other of [null, new Error('x'), Object.assign(new Error('x'), { code: 'ECONNREFUSED' })])
    assert.equal(tlsTrouble(other, 'PENSTOCK_X'), null);
});
