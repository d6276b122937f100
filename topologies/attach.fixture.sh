#!/bin/sh
# Starts a process in a network namespace of its own and prints its id, for attach.yaml: the command that it is given,
# else one that sleeps until it is killed. Needs the right to make a namespace: root, or
# `unshare --user --map-root-user` around it.
set -eu
[ $# -gt 0 ] || set -- sleep infinity
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkfifo "$folder/ready"
# The child says its id only when it stands in the new namespace; it keeps none of our descriptors open.
unshare --net sh -c 'ip link set lo up; echo $$ >"$1"; shift; exec "$@"' sh "$folder/ready" "$@" \
  </dev/null >/dev/null 2>&1 &
cat "$folder/ready"
