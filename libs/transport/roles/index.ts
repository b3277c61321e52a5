/** Who may do what at the servers. An entry of its own: only what writes their configuration needs it. */
export { type Member, ROLES, type Role } from './roles.ts';
export { type AclAbilities, natsUsers, type Passwords, redisUsers } from './server-users.ts';
