/** Users of nats-server and Redis as their configurations have them: one for each member, and nobody else. */
import { hash } from 'node:crypto';
import { natsPermissions } from './nats-permissions.ts';
import { redisPermissions } from './redis-permissions.ts';
import type { Member } from './roles.ts';

export interface Passwords {
  readonly nats: string;
  readonly redis: string;
}

/** @returns what a configuration of nats-server includes. */
export function natsUsers(members: ReadonlyMap<Member, Passwords>): string {
  const users = [...members].map(([member, { nats }]) => {
    const { publish, subscribe, answers } = natsPermissions(member);
    return [
      `    { user: ${quoted(member.user)}, password: ${quoted(nats)}, permissions: {`,
      `      publish: { allow: [${publish.map(quoted).join(', ')}] }`,
      `      subscribe: { allow: [${subscribe.map(quoted).join(', ')}] }`,
      // As many answers as it likes, to whoever asked in the last half minute.
      ...(answers ? ['      allow_responses: { max: -1, expires: "30s" }'] : []),
      '    } }',
    ].join('\n');
  });
  return `authorization {\n  users: [\n${users.join('\n')}\n  ]\n}\n`;
}

/** @returns an ACL file of Redis. It holds digests of the passwords. */
export function redisUsers(members: ReadonlyMap<Member, Passwords>): string {
  const users = [...members].map(
    ([member, { redis }]) =>
      `user ${member.user} on #${hash('sha256', redis)} resetkeys resetchannels -@all ${redisPermissions(member)}\n`,
  );
  return `user default off\n${users.join('')}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
