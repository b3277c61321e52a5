/** Sealing of what is kept. */
export { GivenSeals } from './given-seals.ts';
export { KeyList } from './key-list.ts';
export { type EncryptionOptions, type OpenVault, openVault } from './open-vault.ts';
export { SealedBodies } from './sealed-bodies.ts';
export { SealError } from './sealed-bytes.ts';
export { SealedFiles } from './sealed-files.ts';
export { SealedRunLog } from './sealed-run-log.ts';
export { SealedRunStore } from './sealed-run-store.ts';
export { aboutKey, Vault } from './vault.ts';
export { WorkSeals } from './work-seals.ts';
