#!/bin/bash
# Podman's rootless network, step by step, as an ordinary user: walk.sh [TOPORUN]. Needs python3.
set -euo pipefail
toporun=${1:-toporun}
here=$(dirname "$(readlink -f "$0")")
port=${PORT:-18080}
log=$(mktemp)
trap '"$toporun" -q down pods; rm -f "$log"' EXIT
step() { printf '\n== %s\n' "$*"; }

step "The network comes up, without sudo"
"$toporun" up --set PORT="$port" "$here/pods.yaml"

step "What Podman keeps in its rootless-netns: the tap, the bridge and its ports"
"$toporun" exec pods netns -- ip -brief address

step "A pod has a cable to the bridge and a route to it"
"$toporun" exec pods web -- ip -brief address
"$toporun" exec pods web -- ip route

step "The pods find each other by name"
"$toporun" exec pods client -- getent hosts web

step "A web server in a pod, reached from the real host by the published port"
# What it says first is that it serves; what it logs goes elsewhere.
exec 3< <("$toporun" exec pods web -- python3 -u -c '
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from a pod, to " + self.client_address[0].encode() + b"\n")
server = http.server.HTTPServer(("0.0.0.0", 80), Page)
print("serving", flush=True)
server.serve_forever()' 2>"$log")
read -r -t 20 line <&3
[ "$line" = serving ] || { cat "$log"; exit 1; }
fetch="import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$port/').read().decode(), end='')"
python3 -c "$fetch"

step "The same page from the other pod, by name and without the uplink"
"$toporun" exec pods client -- python3 -c "import urllib.request; print(urllib.request.urlopen('http://web/').read().decode(), end='')"

step "Entering it: the namespace that holds all the others, and ip netns in it"
"$toporun" exec pods host -- ip netns list

step "And away; the server in the pod is ended by name"
"$toporun" down pods
