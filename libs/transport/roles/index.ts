/** Who may do what at the servers. An entry of its own: only what writes their configuration needs it. */
export { type NatsPermissions, natsPermissions } from './nats-permissions.ts';
export { redisPermissions } from './redis-permissions.ts';
export { type Member, ROLES, type Role } from './roles.ts';
export { type AclAbilities, natsUsers, type Passwords, redisUsers } from './server-users.ts';
