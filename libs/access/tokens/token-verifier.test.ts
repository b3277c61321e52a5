/** Against a real issuer on this machine: what it signed is taken, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatchError, Project } from '@penstock/protocol';
import { MemoryProjectRecords } from '@penstock/transport/memory';
import { exportSPKI, SignJWT, UnsecuredJWT } from 'jose';
import {
  AUDIENCE,
  type Signing,
  signedToken,
  signingPair,
  startIssuer,
} from '../../../testkit/network/oidc-issuer.ts';
import { isRefused } from '../caller.ts';
import { openKeyStore } from '../key-store.ts';
import { Peppers } from '../peppers.ts';
import { Provisioned } from '../provisioned/provisioned.ts';
import { tokensOf } from './index.ts';
import { tokenSettings } from './settings.ts';
import { TokenVerifier, type TokenVerifierOptions } from './token-verifier.ts';

const NOW_S = 1_700_000_000;

async function start(issuer: string, more: Partial<TokenVerifierOptions> = {}) {
  const state = { ms: 0, warned: [] as string[] };
  const clock = { now: () => NOW_S * 1000 + state.ms, monotonic: () => state.ms };
  const log = { info: () => {}, warn: (_: object, text: string) => void state.warned.push(text) } as never;
  const tokens = new TokenVerifier({
    ...{ issuer, audience: AUDIENCE, jwksUrl: null, algorithms: ['ES256', 'RS256'], toleranceS: 30 },
    ...{ projectClaim: 'groups', projects: new Map([['team-a', 'proj_a']]), scopeClaim: null },
    ...{ clock, log, cooldownMs: 0, ...more },
  });
  const records = new MemoryProjectRecords();
  const project: Project = {
    ...{ id: 'proj_a', name: 'a', createdAt: 1, archivedAt: null, revision: 1, serviceAccounts: [] },
    ...{ limits: { '*': { rpm_limit: 5 } }, models: null, weight: 1 },
  };
  await records.putProject(project);
  const { ring } = openKeyStore({
    ...{ records, provisioned: new Provisioned(), tokens, configured: ['sk-configured'], admins: [] },
    ...{ peppers: new Peppers(['p'.repeat(32)]), graceMs: 60_000, clock },
  });
  /** Whose a token is, or why it is nobody's. */
  const stands = async (text: string) => {
    try {
      const caller = await ring.callerOf(text);
      return isRefused(caller) ? caller.refused : `${caller.project} ${caller.permissions.scopes}`;
    } catch (err) {
      return (err as DispatchError).code;
    }
  };
  return { state, stands, tokens, records, project };
}

function signed(key: Signing, issuer: string, claims: object = {}): Promise<string> {
  return signedToken(key, issuer, { groups: ['x', 'team-a'], exp: NOW_S + 600, ...claims });
}

test('a token of the issuer stands for the project that its claim names, and anything else for none', async () => {
  const key = await signingPair('one');
  await using issuer = await startIssuer({ list: [key.jwk] });
  const { stands, records, project, state } = await start(issuer.url);
  const token = (claims: object = {}) => signed(key, issuer.url, claims);
  assert.equal(await stands(await token()), 'proj_a null');
  assert.equal(await stands(await token({ exp: NOW_S - 20 })), 'proj_a null', 'within the tolerance');
  const stranger = await signingPair('one');
  const spki = new TextEncoder().encode(await exportSPKI(key.publicKey));
  const good = await token();
  const cases: [about: string, text: string, refusal: string][] = [
    ['expired', await token({ exp: NOW_S - 31 }), 'expired'],
    ['without an end', await token({ exp: undefined }), 'bad_token'],
    ['not yet', await token({ nbf: NOW_S + 60 }), 'bad_token'],
    ['for somebody else', await token({ aud: 'other' }), 'bad_token'],
    ['of another issuer', await token({ iss: 'https://elsewhere' }), 'bad_token'],
    ['without a holder', await token({ sub: undefined }), 'bad_token'],
    ['signed by another key of that name', await signed(stranger, issuer.url), 'bad_token'],
    ['changed', `${good.slice(0, -4)}${good.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`, 'bad_token'],
    [
      'unsigned',
      new UnsecuredJWT({ groups: 'team-a', sub: 'me' }).setIssuer(issuer.url).encode(),
      'bad_token',
    ],
    [
      'signed with the public key as a shared secret',
      await new SignJWT({ groups: 'team-a', sub: 'me' })
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .setIssuer(issuer.url)
        .setAudience(AUDIENCE)
        .setExpirationTime(NOW_S + 600)
        .sign(spki),
      'bad_token',
    ],
    ['of nobody here', await token({ groups: ['team-b'] }), 'no_project'],
    ['no token', 'eyJub3.eyJub3.no', 'bad_token'],
  ];
  for (const [about, text, refusal] of cases) assert.equal(await stands(text), refusal, about);
  assert.equal(await stands(good), 'proj_a null');
  state.ms += 700_000;
  assert.equal(await stands(good), 'expired', 'also where it was found valid before');
  await records.putProject({ ...project, archivedAt: 5, revision: 2 });
  assert.equal(await stands(await token({ exp: NOW_S + 2000 })), 'archived');
});

test('claims are read by the settings: ids of projects, others for all, scopes, and none that is known is refused', async () => {
  const key = await signingPair('one');
  await using issuer = await startIssuer({ list: [key.jwk] });
  const ids = await start(issuer.url, { projects: null, projectClaim: 'project', scopeClaim: 'scope' });
  const token = (claims: object) => signed(key, issuer.url, claims);
  assert.equal(
    await ids.stands(await token({ project: 'proj_a', scope: 'openid chat model:m' })),
    'proj_a chat,model:m',
  );
  assert.equal(await ids.stands(await token({ project: 'proj_a', scope: ['files'] })), 'proj_a files');
  for (const scope of ['openid profile', '', undefined, 7])
    assert.equal(await ids.stands(await token({ project: 'proj_a', scope })), 'no_scope');
  assert.equal(await ids.stands(await token({ project: 'proj_b', scope: 'chat' })), 'no_project');
  const others = await start(issuer.url, { projects: new Map([['*', 'proj_a']]) });
  assert.equal(await others.stands(await token({ groups: 'whoever' })), 'proj_a null');
  assert.equal(await others.stands(await token({ groups: undefined })), 'proj_a null');
});

test('keys are rotated while tokens come, and unknown ones are asked for once in a while', async () => {
  const [one, two] = [await signingPair('one'), await signingPair('two')];
  const keys = { list: [one.jwk] };
  await using issuer = await startIssuer(keys);
  const { stands } = await start(issuer.url);
  assert.equal(await stands(await signed(one, issuer.url)), 'proj_a null');
  keys.list = [one.jwk, two.jwk];
  assert.equal(await stands(await signed(two, issuer.url)), 'proj_a null');
  keys.list = [two.jwk];
  const calm = await start(issuer.url, { cooldownMs: 60_000 });
  assert.equal(await calm.stands(await signed(two, issuer.url)), 'proj_a null');
  const { asked } = issuer.state;
  for (let i = 0; i < 5; i++)
    assert.equal(
      await calm.stands(await signed(await signingPair(`stranger-${i}`), issuer.url)),
      'bad_token',
    );
  assert.equal(issuer.state.asked, asked, 'strangers make nobody ask');
});

test('while the issuer is away keys go on and tokens get 503; known keys of it go on; one that lies is none', async () => {
  const key = await signingPair('one');
  await using issuer = await startIssuer({ list: [key.jwk] });
  issuer.state.isAway = true;
  const { stands, tokens, state } = await start(issuer.url);
  await tokens.tick();
  await tokens.tick();
  assert.equal(state.warned.length, 1);
  assert.match(state.warned[0] ?? '', /API keys are taken as before/);
  const token = await signed(key, issuer.url);
  assert.equal(await stands(token), 'keys_unavailable');
  assert.match(await stands('sk-configured'), /^[0-9a-f]{16} null$/);
  issuer.state.isAway = false;
  assert.equal(await stands(token), 'proj_a null');
  issuer.state.isAway = true;
  assert.equal(
    await stands(await signed(key, issuer.url, { sub: 'you' })),
    'proj_a null',
    'its keys are known',
  );
  issuer.state.isAway = false;
  issuer.state.named = 'https://somebody.else';
  const lied = await start(issuer.url);
  assert.equal(await lied.stands(token), 'keys_unavailable');
});

test('settings: asymmetric signatures alone, projects that can be, and never without an audience', async () => {
  const { PENSTOCK_OIDC_ALGORITHMS: algorithms, PENSTOCK_OIDC_PROJECTS: projects } = tokenSettings;
  assert.deepEqual(algorithms.parse('RS256, ES256'), ['RS256', 'ES256']);
  for (const wrong of ['HS256', 'none', 'RS256,none', ','])
    assert.ok(!algorithms.safeParse(wrong).success, wrong);
  assert.deepEqual(
    projects.parse('a=b=proj_1,*=0123456789abcdef'),
    new Map([
      ['a=b', 'proj_1'],
      ['*', '0123456789abcdef'],
    ]),
  );
  for (const wrong of ['a', 'a=', '=proj_1', 'a=search'])
    assert.ok(!projects.safeParse(wrong).success, wrong);
  const about = { PENSTOCK_OIDC_ISSUER: 'https://i' } as never;
  await assert.rejects(tokensOf(about, {} as never), /name what tokens of PENSTOCK_OIDC_ISSUER are made for/);
  assert.equal(await tokensOf({} as never, {} as never), null);
});
