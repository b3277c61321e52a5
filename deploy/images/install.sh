#!/bin/sh
# install.sh SERVICE…: the dependencies of these services, without what only people, compilers and bundlers read (Node runs no TypeScript of a package).
set -eu
for service; do set -- "$@" --workspace "services/$service"; shift; done
npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier "$@"
npm cache clean --force
find node_modules -type f \
  \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.md' \) -delete
# Builds for bundlers, and the data of a package's tests.
find node_modules -type d \( -name dist-es -o -path '*/@opentelemetry/*/esm' -o -path '*/@opentelemetry/*/esnext' \
  -o -path '*/bullmq/dist/esm' -o -path '*/bintrees/test' \) -prune -exec rm -r {} +
find libs services -type f \( -name '*.test.ts' -o -name '*.fixture.ts' \) -delete
