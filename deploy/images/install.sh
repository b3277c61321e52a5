#!/bin/sh
# install.sh SERVICE…: the dependencies of these services, without what only people and compilers read (Node runs no TypeScript of a package).
set -eu
for service; do set -- "$@" --workspace "services/$service"; shift; done
npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier "$@"
npm cache clean --force
find node_modules -type f \
  \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.md' \) -delete
find libs services -type f \( -name '*.test.ts' -o -name '*.fixture.ts' \) -delete
