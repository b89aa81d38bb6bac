#!/bin/sh
# The stock back end SDK, unmodified, drives twind through the tutorial's seven patches.
#
#   stock.sh PATH_OF_TWINHUB PATH_OF_TWIND
#
# TWIND_TUTORIAL_DIR  a checkout of the tutorial's DeviceTwins folder: its back end is run as well (70 s)
# TWIND_STOCK_CACHE and TWIND_STOCK_HOST as in ../hub/stock/lib.sh
#
# Exit code 0 if all is well or npm or Python is missing, 1 if a check fails.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: $0 PATH_OF_TWINHUB PATH_OF_TWIND" >&2
    exit 64
fi
stock=$(cd "$(dirname "$0")/../hub/stock" && pwd)
twinhub=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
twind=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
. "$stock/lib.sh"

start_twind() {
    mkdir -p "$work/twind"
    (umask 077 && hub connection-string MyTwinDevice >"$work/twind/connection-string")
    echo 21.0 >"$work/twind/temperature"
    cat >"$work/twind/twind.toml" <<TOML
[hub]
connection-string-file = "connection-string"
ca-file = "$work/hub/ca.pem"
[twin]
state-dir = "$work/twind/state"
[local]
socket = "$work/twind/socket"
[board]
driver = "simulated"
folder = "$work/twind/board"
[outputs.fan]
pwm = { channel = 0 }
[sensors.cabinet]
driver = "file"
path = "$work/twind/temperature"
period = "1s"
[climate]
sensor = "cabinet"
cooling = "fan"
TOML
    "$twind" run --config "$work/twind/twind.toml" >"$work/twind.log" 2>&1 &
    clients="$clients $!"
    eventually "twind reports" reported MyTwinDevice '"desiredVersion"'
}

# The back end prints what the answer to its *last* patch held, so what it shows as final is the state before that
# patch; the fresh twin that follows is the state after it.
enter_hub
start_twind
node "$stock/backend.js" "$TWINHUB_CONNECTION_STRING" 1000 >"$work/backend.log" 2>&1 || fail "the stock back end"
cat "$work/backend.log"
shown='finally reported: lastPatchReceivedId=Update WiFi component firmwareVersion=.* fanOn=false minTemperature=68 maxTemperature=92'
grep -qx "$shown" "$work/backend.log" || fail "what the stock back end shows in the end"
for value in '"lastPatchReceivedId":"Delete WiFi component"' '"fanOn":"false"' '"minTemperature":"68"' '"maxTemperature":"92"'; do
    tail -n 1 "$work/backend.log" | grep -qF "$value" || fail "the final state: no $value"
done
! tail -n 1 "$work/backend.log" | grep -qF '"wifi":{"status"' || fail "the final state still has the WiFi component"
[ "$(cat "$work/twind/board/fan")" = 0 ] || fail "the fan must be off"
! grep -q ERROR "$work/twind.log" || fail "twind logged an error"
echo "ok: the stock back end drives twind; final state: Delete WiFi component, 68, 92"

if [ -n "${TWIND_TUTORIAL_DIR:-}" ]; then
    stop
    rm -rf "$work/hub" "$work/twind"
    enter_hub
    start_twind
    node "$TWIND_TUTORIAL_DIR/ServiceClient.js" "$TWINHUB_CONNECTION_STRING" >"$work/tutorial.log" 2>&1 ||
        fail "the tutorial's back end"
    sed -n '/Final reported/,$p' "$work/tutorial.log"
    for value in 'Update WiFi component' 'Fan status: false' 'Min temperature set: 68' 'Max temperature set: 92'; do
        sed -n '/Final reported/,$p' "$work/tutorial.log" | grep -qF "$value" || fail "the tutorial: no $value"
    done
    reported MyTwinDevice '"lastPatchReceivedId":"DeleteWiFicomponent"' || fail "the tutorial: the last patch"
    echo "ok: the tutorial's own back end drives twind"
fi
echo "all checks passed"
