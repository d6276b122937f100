#!/bin/sh
# Starts a process in a network namespace of its own and prints its id, for attach.yaml. The process sleeps until it
# is killed. Needs the right to make a namespace: root, or `unshare --user --map-root-user` around it.
set -eu
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkfifo "$folder/ready"
# The child says its id only when it stands in the new namespace; it keeps none of our descriptors open.
unshare --net sh -c 'ip link set lo up; echo $$ >"$1"; exec sleep infinity' sh "$folder/ready" \
  </dev/null >/dev/null 2>&1 &
cat "$folder/ready"
