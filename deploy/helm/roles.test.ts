/** Who the services of the chart are at NATS and Redis, and who is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { natsUsers, ROLES, redisUsers } from '@penstock/transport/roles';
import { type Rendered, rendered, SETS, skip } from './rendered.fixture.ts';

const secretsIn = (objects: readonly Rendered[]) =>
  new Map(
    objects.flatMap(({ kind, metadata, stringData = {} }) =>
      kind === 'Secret' ? [[metadata.name, stringData] as const] : [],
    ),
  );

test('the servers of the chart know the user of each role, which may do what libs/transport/roles says', {
  skip,
}, () => {
  for (const [more, region, shards] of [
    ['', 'local', 1],
    ['region=eu-west,shards=3', 'eu-west', 3],
  ] as const) {
    const secrets = secretsIn(rendered('all-in-one', more));
    const members = new Map(
      ROLES.toSorted().map(role => {
        const login = secrets.get(`penstock-login-${role}`) ?? {};
        const passwords = { nats: login['nats-password'] ?? '', redis: login['redis-password'] ?? '' };
        assert.equal(login['nats-url'], `nats://${role}:${passwords.nats}@penstock-nats:4222`);
        assert.equal(login['redis-url'], `redis://${role}:${passwords.redis}@penstock-valkey:6379`);
        return [{ role, user: role, region, shards, worker: null }, passwords] as const;
      }),
    );
    // In whichever order: of shards, the chart writes one subject after the other.
    const words = (text: string) => text.split(/[\s,[\]]+/).toSorted();
    const users = (text = '') => text.split('{ user: ').map(words);
    const nats = secrets.get('penstock-nats-users')?.['nats-auth.conf'];
    assert.deepEqual(users(nats), users(natsUsers(members)));
    const acl = secrets.get('penstock-redis-users')?.['users.acl']?.split('\n') ?? [];
    const health = acl.find(line => line.startsWith('user health '));
    assert.match(health ?? '', / resetkeys resetchannels -@all \+ping$/);
    const others = acl.filter(line => line !== health).join('\n');
    assert.equal(others.trim(), redisUsers(members).trim());
  }
});

test('each pod is given its own login alone, and no secret is in a ConfigMap', { skip }, () => {
  for (const set of SETS) {
    const objects = rendered(set);
    for (const { kind, metadata, spec } of objects) {
      if (kind !== 'Deployment') continue;
      const role = metadata.labels['app.kubernetes.io/component'];
      const mounted = spec.template.spec.volumes.flatMap(({ projected, secret }) => [
        ...(projected?.sources ?? []).map(source => source.secret.name),
        ...(secret === undefined ? [] : [secret.secretName]),
      ]);
      const logins = new Set(mounted.filter(name => /-login-|-users$/.test(name)));
      const isOurs = set === 'all-in-one' || logins.size > 0;
      assert.deepEqual([...logins], isOurs ? [`penstock-login-${role}`] : [], `${set}: ${metadata.name}`);
    }
    const values = [...secretsIn(objects).values()].flatMap(data => Object.values(data));
    const made = values.filter(value => /^(sk-penstock-)?\w{40}$/.test(value));
    for (const each of objects.filter(({ kind }) => kind === 'ConfigMap'))
      assert.ok(!made.some(value => JSON.stringify(each).includes(value)), `${set}: ${each.metadata.name}`);
  }
});

test('servers of one’s own have a Secret for each kind of service, or one for all', { skip }, () => {
  const own = (more: string) => rendered('production', more);
  const named = (objects: readonly Rendered[], component: string) =>
    JSON.stringify(
      objects.find(each => each.kind === 'Deployment' && each.metadata.name.includes(component)),
    );
  assert.match(named(own(''), '-tasks'), /"name":"region","items":\[\{"key":"nats-url"/);
  const some = own('nats.loginSecrets.tasks=nats-of-tasks');
  assert.match(named(some, '-tasks'), /"name":"nats-of-tasks","items":\[\{"key":"nats-url"/);
  assert.doesNotMatch(named(some, '-ingress'), /nats-of-tasks/);
});
