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
random | keep nats-password
random | keep redis-password
printf 'nats://penstock:%s@nats:4222' "$(cat nats-password)" >nats-url
printf 'redis://:%s@redis:6379' "$(cat redis-password)" >redis-url
printf 'authorization { user: penstock, password: "%s" }\n' "$(cat nats-password)" >nats-auth.conf
printf 'requirepass %s\n' "$(cat redis-password)" >redis-auth.conf
chown -R 1000:1000 /run/penstock /volumes/*
