/** Users of nats-server and Redis as their configurations have them: one for each member, and nobody else. */
import { hash } from 'node:crypto';
import { natsPermissions } from './nats-permissions.ts';
import { plainPermissions, redisPermissions } from './redis-permissions.ts';
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

export interface AclAbilities {
  /** Whether a user can have rules for some keys alone: from Redis 7.0 and Valkey 7.2 on. */
  readonly hasSelectors: boolean;
}

/** @returns an ACL file of Redis. It holds digests of the passwords. */
export function redisUsers(
  members: ReadonlyMap<Member, Passwords>,
  { hasSelectors }: AclAbilities = { hasSelectors: true },
): string {
  const users = [...members].map(([member, { redis }]) => {
    const may = hasSelectors ? redisPermissions(member) : plainPermissions();
    return `user ${member.user} on #${hash('sha256', redis)} resetkeys resetchannels -@all ${may}\n`;
  });
  return `user default off\n${users.join('')}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
