/** Tokens of an identity provider on real servers: two ingress nodes, a provider whose keys change and that goes away, and OpenAI's own client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { signedToken, signingPair, startIssuer } from '../../testkit/network/oidc-issuer.ts';
import { chat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ADMIN = 'an-admin-key-of-tests';
const CALL = chat('hi', { max_tokens: 2 }) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;

const [first, second] = [await signingPair('one'), await signingPair('two')];
const keys = { list: [first.jwk] };
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let stack: Stack;
let nodes: string[];
/** Projects that claims lead to: one of all models, one of none that there is. */
const projects = { team: '', walled: '' };

before(async () => {
  issuer = await startIssuer(keys);
  const admin = {
    ...{ PENSTOCK_ADMIN_KEYS: ADMIN, PENSTOCK_KEY_PEPPER: 'pepper-of-the-tests-pepper-of-the-tests' },
  };
  stack = await startStack({ engines: [{}], ingressEnv: admin });
  const made = new OpenAI({ baseURL: `${stack.url}/v1`, adminAPIKey: ADMIN, apiKey: '-' }).admin.organization
    .projects;
  projects.team = (await made.create({ name: 'team' })).id;
  projects.walled = (await made.create({ name: 'walled' })).id;
  await made.modelPermissions.update(projects.walled, { mode: 'allow_list', model_ids: ['other'] });
  nodes = [];
  for (const name of ['in-2', 'in-3']) nodes.push((await stack.addIngress(name, undefined, settings())).url);
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
  await issuer?.[Symbol.asyncDispose]();
});

function settings(): Record<string, string> {
  return {
    ...{ PENSTOCK_OIDC_ISSUER: issuer.url, PENSTOCK_OIDC_AUDIENCE: 'penstock' },
    ...{ PENSTOCK_OIDC_PROJECT_CLAIM: 'groups', PENSTOCK_OIDC_SCOPE_CLAIM: 'scope' },
    PENSTOCK_OIDC_PROJECTS: `search=${projects.team},walled=${projects.walled}`,
  };
}

const inSeconds = (s: number) => Math.floor(Date.now() / 1000) + s;

function token(claims: object = {}, key = first): Promise<string> {
  const usual = { groups: ['staff', 'search'], scope: 'openid chat files', exp: inSeconds(600) };
  return signedToken(key, issuer.url, { ...usual, ...claims });
}

const clientOf = (apiKey: string, node = 0) =>
  new OpenAI({ baseURL: `${nodes[node]}/v1`, apiKey, maxRetries: 0 });

/** As `200`, or status, code and message of the error. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return '200';
  } catch (err) {
    const { status, code, message } = err as InstanceType<typeof OpenAI.APIError>;
    return `${status} ${code}: ${message}`;
  }
}

const asked = (apiKey: string, node = 0) => outcome(clientOf(apiKey, node).chat.completions.create(CALL));

test('a token stands for the project of its claim, with its scopes, at each node', async () => {
  const good = await token();
  assert.deepEqual(await Promise.all([asked(good, 0), asked(good, 1)]), ['200', '200']);
  const client = clientOf(good);
  const file = await client.files.create({ file: new File(['hi'], 'a.txt'), purpose: 'user_data' });
  const colleague = clientOf(await token({ sub: 'you' }), 1);
  assert.equal(
    (await colleague.files.retrieve(file.id)).id,
    file.id,
    'what is of the project is of all its holders',
  );
  const stranger = clientOf(await token({ groups: 'walled' }));
  assert.match(await outcome(stranger.files.retrieve(file.id)), /^404 file_not_found/);
  assert.match(await outcome(stranger.chat.completions.create(CALL)), /^404 model_not_found/);
  const embed = client.embeddings.create({ model: CALL.model, input: 'x' });
  assert.match(await outcome(embed), /^403 missing_scope: .*Missing scopes: embeddings/);
  assert.match(await asked(await token({ scope: ['chat', 'model:other'] })), /^404 model_not_found/);
});

test('what is not good is refused with why, and says nothing of the token', async () => {
  const cases: [text: string, says: RegExp][] = [
    [await token({ exp: inSeconds(-60) }), /^401 invalid_api_key: .*has expired/],
    [await token({ aud: 'somebody-else' }), /^401 invalid_api_key: .*for another audience/],
    [
      await token({ iss: 'https://elsewhere.example' }),
      /^401 invalid_api_key: .*not of the identity provider/,
    ],
    [await token({}, await signingPair('one')), /^401 invalid_api_key: .*not of the identity provider/],
    [await token({ groups: ['staff'] }), /^401 invalid_api_key: .*names no project/],
    [await token({ scope: 'openid profile' }), /^401 invalid_api_key: .*none of the scopes/],
  ];
  for (const [text, says] of cases) {
    const said = await asked(text);
    assert.match(said, says);
    assert.ok(!said.includes(text.slice(-20)));
  }
  assert.equal(await asked(await token()), '200', 'a good one does not wait for them');
});

test('a good token at the admin API is told what is needed there, a bad one that it is bad', async () => {
  const administer = (text: string) => {
    const client = new OpenAI({ baseURL: `${nodes[0]}/v1`, adminAPIKey: text, apiKey: '-', maxRetries: 0 });
    return outcome(client.admin.organization.projects.create({ name: 'mine' }));
  };
  for (const claims of [{}, { groups: ['staff'] }, { scope: 'openid' }])
    assert.match(
      await administer(await token(claims)),
      /^403 admin_key_required: .*it takes an admin key \(of PENSTOCK_ADMIN_KEYS, .* token of an identity provider/,
    );
  assert.match(await administer(await token({ exp: inSeconds(-60) })), /^401 invalid_api_key/);
  assert.match(await administer(await token({ aud: 'somebody-else' })), /^401 invalid_api_key/);
  assert.equal(await administer(ADMIN), '200');
});

test('keys of the provider change, and tokens of the new ones are taken within seconds, at each node', async () => {
  keys.list = [first.jwk, second.jwk];
  const next = await token({}, second);
  // A key that is not known is asked for every ten seconds at most.
  await waitFor(async () => (await asked(next, 0)) === '200' && (await asked(next, 1)) === '200');
  assert.equal(await asked(await token()), '200', 'those of before are good until it takes them away');
});

test('while the provider is away what is known goes on, and a node that starts then lets in keys at once, tokens later', async () => {
  issuer.state.isAway = true;
  assert.equal(await asked(await token({ sub: 'somebody new' })), '200', 'its keys are known here');
  const { url, process } = await stack.addIngress('in-4', undefined, settings());
  nodes.push(url);
  const late = nodes.length - 1;
  const text = await token();
  const response = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${text}` } });
  assert.equal(response.status, 503);
  assert.ok(Number(response.headers.get('retry-after')) >= 1);
  assert.match(await asked(text, late), /^503 keys_unavailable: .*identity provider cannot be asked/);
  assert.equal(
    (await fetch(`${url}/v1/models`, { headers: { authorization: 'Bearer sk-penstock-test-key' } })).status,
    200,
  );
  const told = () => process.output.join('\n');
  await waitFor(() => told().includes('identity provider cannot be read: API keys are taken as before'));
  issuer.state.isAway = false;
  await waitFor(async () => (await asked(text, late)) === '200');
  assert.ok(!told().includes(text.split('.')[1] ?? text), 'no claim of a token is in a log');
});
