#!/bin/sh
# compile.sh SERVICE…: keeps the modules of these services compiled, so that a container starts with less CPU time. Its file system is
# read-only, so that is done here: as the user who runs them there, since Node keeps them for each user. Each service ends at
# once, over a setting that is wrong (78), but has loaded all its modules by then.
set -eu
cache=$PWD/.compile-cache
mkdir "$cache" && chown 1000 "$cache"
export NODE_COMPILE_CACHE="$cache" PENSTOCK_LOG_LEVEL=none PENSTOCK_SIM_PORT=none
for service; do
  code=0
  setpriv --reuid=1000 --clear-groups node "services/$service/main.ts" 2>/dev/null || code=$?
  [ $code -eq 78 ] || { echo "compile.sh: $service ended with $code" >&2; exit 1; }
done
# What is copied into an image belongs to root.
chmod -R a+rX "$cache"
