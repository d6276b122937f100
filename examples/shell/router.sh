#!/bin/sh
# Tests of a network in a shell script: router.sh; `prove examples/shell/router.sh` reads what it prints.
here=$(dirname "$0")
# shellcheck source=/dev/null
. "${TOPORUN_SH:-/usr/share/toporun/toporun.sh}"

lab_up "$here/../gtest/router.yaml" --set MTU=1400 || exit
server=$(lab_address server eth0)

ok "the server has its address" test "$server" = 10.0.2.2
ok "and one of IPv6" test "$(lab_address server eth0 6)" = fd00:2::2
ok "it answers" lab_run client ping -c 1 -W 5 "$server"
ok "what the file says holds" lab_check "server *"
ok "large packets do not pass" not lab_check "full packets pass"
tap_end
