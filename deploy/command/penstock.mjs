#!/usr/bin/env node
// The `penstock` command. Plain JavaScript that an old Node can read, too: it then says which one is needed.
import { isNewEnough, LEAST_NODE } from '../local/node-version.mjs';

if (isNewEnough(process.version)) {
  import('./main.ts');
} else {
  process.stderr.write(
    `penstock: this Node is ${process.version}; Penstock needs ${LEAST_NODE} or newer: install it from https://nodejs.org\n`,
  );
  process.exitCode = 1;
}
