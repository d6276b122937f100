#!/bin/sh
# Starts a web server in a network namespace of its own, as a service manager might, and prints its process id.
exec "$(dirname "$0")/../topologies/attach.fixture.sh" python3 -m http.server 80 --directory /usr/share
