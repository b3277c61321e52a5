/** Keys, and what is sealed with them. */
export { GivenSeals } from './given-seals.ts';
export { KeyList } from './key-list.ts';
export { type EncryptionOptions, type OpenVault, openVault } from './open-vault.ts';
export { SealError } from './sealed-bytes.ts';
export { aboutKey, Vault } from './vault.ts';
export { WorkSeals } from './work-seals.ts';
