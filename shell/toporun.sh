# Labs in shell scripts; POSIX sh. Read it with `.`:
#
#     . /usr/share/toporun/toporun.sh
#     lab_up lab.yaml --set MTU=1400
#     ok "the server answers" lab_run client ping -c 1 "$(lab_address server eth0)"
#     ok "what the file says holds" lab_check "web *"
#     tap_end
#
# The lab comes up under a name of its own, LAB, and goes down when the script ends, also by Ctrl-C, a closed terminal or
# SIGTERM. TOPORUN names the binary.

TOPORUN=${TOPORUN:-toporun}
LAB=

# lab_up FILE [WORD…]: more words are `up`'s. One lab at a time.
lab_up() {
  [ -z "$LAB" ] || lab_down || return
  # Words of a variable: `set --` keeps the caller's own.
  LAB=sh-$$-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
  trap '_lab_end $?' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  _file=$1
  shift
  "$TOPORUN" -q up "$_file" --name "$LAB" "$@"
}

# lab_run NODE COMMAND…: its status is the command's.
lab_run() {
  _node=$1
  shift
  "$TOPORUN" exec "$LAB" "$_node" -- "$@"
}

# lab_address NODE IFNAME [4|6]: prints the interface's first address, IPv4 before IPv6. None is a failure.
lab_address() {
  for _family in ${3:-4 6}; do
    _line=$("$TOPORUN" exec "$LAB" "$1" -- ip -o "-$_family" address show dev "$2" scope global) || return
    [ -n "$_line" ] || continue
    printf '%s\n' "$_line" | sed -n '1s|.* inet6\{0,1\} \([^ /]*\).*|\1|p'
    return
  done
  echo "$1:$2 has no such address" >&2
  return 1
}

# lab_check [PATTERN]: the file's tests whose names fit.
lab_check() {
  "$TOPORUN" check "$LAB" "${1:-*}"
}

# lab_down: before the script's end.
lab_down() {
  _lab=$LAB
  LAB=
  [ -z "$_lab" ] || "$TOPORUN" -q down "$_lab"
}

_lab_end() {
  trap - EXIT
  # A second signal would leave the half of it.
  trap '' HUP INT TERM
  lab_down || exit 1
  exit "$1"
}

# ---- Results in TAP, for `prove` and other readers

_tap_done=0
_tap_failed=0

# ok NAME COMMAND…: holds when the command does. What it prints is told only if it fails.
ok() {
  _tap_name=$1
  shift
  _tap_done=$((_tap_done + 1))
  if _tap_text=$("$@" 2>&1); then
    printf 'ok %d - %s\n' "$_tap_done" "$_tap_name"
  else
    _tap_failed=$((_tap_failed + 1))
    printf 'not ok %d - %s\n' "$_tap_done" "$_tap_name"
    printf '%s\n' "$_tap_text" | sed 's/^/# /'
  fi
}

# not COMMAND…: the opposite.
not() {
  ! "$@"
}

# tap_end: the plan; the script ends with 1 when something failed.
tap_end() {
  printf '1..%d\n' "$_tap_done"
  [ "$_tap_failed" -eq 0 ] || exit 1
}
