#!/bin/bash
# A test as a CI job runs it: the lab up, a program in two of its nodes, and the lab down again whatever happens.
# Usage: ci-job.sh [TOPORUN]; see ci-job.md.
set -euo pipefail
toporun=${1:-toporun}
lab=$(dirname "$0")/ci-job.yaml
work=$(mktemp -d)
# `down` also ends the server: it ends what still runs in the lab's nodes.
trap 'status=$?; "$toporun" -q down ci-job; rm -rf "$work"; exit $status' EXIT

"$toporun" -q up "$lab"

# The program under test; here a web server that has one megabyte to give.
head -c 1000000 /dev/zero >"$work/data"
"$toporun" exec ci-job server -w "$work" -- python3 -u -m http.server 80 >"$work/log" 2>&1 &

# Through the narrow link and the NAT. curl tries again while the server starts.
"$toporun" exec ci-job client -- curl -sS --retry 20 --retry-connrefused --retry-delay 1 --max-time 60 \
  -o "$work/got" http://server/data
cmp "$work/data" "$work/got"

# The server has seen the gateway, not the client.
grep -q '^198\.51\.100\.2 ' "$work/log" || { echo "the server saw somebody else:"; cat "$work/log"; exit 1; }
echo "passed"
