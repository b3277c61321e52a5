#!/bin/sh
# Runs once before all services of a compose project. Makes what they share: keys, a password for each server, and what follows
# from them; and lets them write to their volumes, for none of them runs as root. What is there already stays, so that keys survive
# `docker compose down` (but not `down --volumes`).
set -eu
umask 077

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || cat >"$1"; }

cd /run/penstock
printf 'sk-penstock-%s' "$(random)" | keep api-key
random | keep admin-key
random | keep key-pepper
random | keep nats-password
random | keep redis-password
nats() { printf '%s://penstock:%s@%s:%s' "$1" "$(cat nats-password)" "$2" "$3"; }
if [ -n "${PENSTOCK_COMPOSE_CLUSTER:-}" ]; then
  printf '%s,%s,%s' "$(nats nats nats 4222)" "$(nats nats nats-2 4222)" "$(nats nats nats-3 4222)" >nats-url
  printf 'redis+sentinel://:%s@sentinel-1:26379,sentinel-2:26379,sentinel-3:26379/penstock' "$(cat redis-password)" >redis-url
else
  nats nats nats 4222 >nats-url
  printf 'redis://:%s@redis:6379' "$(cat redis-password)" >redis-url
fi
printf 'authorization { user: penstock, password: "%s" }\n' "$(cat nats-password)" >nats-auth.conf
printf 'requirepass %s\nmasterauth %s\n' "$(cat redis-password)" "$(cat redis-password)" >redis-auth.conf
cat <<EOF >nats-routes.conf
cluster {
  name: penstock
  port: 6222
  authorization { user: penstock, password: "$(cat nats-password)" }
  routes: [$(nats nats-route nats 6222), $(nats nats-route nats-2 6222), $(nats nats-route nats-3 6222)]
}
EOF
cat <<EOF >sentinel.conf
port 26379
dir /tmp
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor penstock redis 6379 2
sentinel auth-pass penstock $(cat redis-password)
sentinel down-after-milliseconds penstock 1000
sentinel failover-timeout penstock 10000
EOF
chown -R 1000:1000 /run/penstock /volumes/*
