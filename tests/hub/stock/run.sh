#!/bin/sh
# Checks the stock Azure SDKs, unmodified, against a running twinhub.
#
#   run.sh PATH_OF_TWINHUB
#
# TWIND_STOCK_CACHE   where the SDKs are installed (default: twind-stock-cache in the temporary folder)
# TWIND_STOCK_HOST    the hub's name, an address of this machine (default: 127.0.0.2). The SDKs know the ports 8883 and
#                     443 only, so this must be allowed to listen on both there.
# TWIND_TUTORIAL_DIR  a checkout of the tutorial's DeviceTwins folder: its two programs are run as well (70 s)
#
# Exit code 0 if all is well or npm or Python is missing, 1 if a check fails.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 PATH_OF_TWINHUB" >&2
    exit 64
fi
here=$(cd "$(dirname "$0")" && pwd)
twinhub=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cache=${TWIND_STOCK_CACHE:-${TMPDIR:-/tmp}/twind-stock-cache}
host=${TWIND_STOCK_HOST:-127.0.0.2}

for tool in node npm python3; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: $tool missing"
        exit 0
    fi
done
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    echo "skipped: pip missing"
    exit 0
fi

# --- the SDKs -------------------------------------------------------------------------------------------------------

# A mark is left when an install is complete: one that was interrupted begins again.
if [ ! -e "$cache/node/complete" ]; then
    mkdir -p "$cache/node"
    (cd "$cache/node" && echo '{"private":true}' >package.json &&
        npm install --no-audit --no-fund --loglevel=error \
            azure-iot-device azure-iot-device-mqtt azure-iothub chalk@2.4.1 && touch complete)
fi
if [ ! -e "$cache/python/complete" ]; then
    python3 -m venv "$cache/python"
    "$cache/python/bin/pip" install --quiet azure-iot-device
    touch "$cache/python/complete"
fi
export NODE_PATH="$cache/node/node_modules"

# --- the hub and its clients ----------------------------------------------------------------------------------------

work=$(mktemp -d)
hub_process=
clients=
stop() {
    for process in $clients $hub_process; do
        kill "$process" 2>/dev/null || true
    done
    wait
    clients=
    hub_process=
}
finish() {
    status=$?
    trap - EXIT
    stop
    if [ "$status" -ne 0 ]; then
        for log in "$work"/*.log; do
            echo "--- $(basename "$log")"
            tail -n 40 "$log"
        done
    fi
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAILED: $*"
    exit 1
}

# Runs a condition until it holds; fails after a minute.
eventually() {
    what=$1
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 240 ] || fail "$what"
        sleep 0.25
    done
    echo "ok: $what"
}

start_hub() {
    "$twinhub" serve --folder "$work/hub" --host "$host" --bind "$host" --mqtt-port 8883 --https-port 443 \
        --device MyTwinDevice --device py --device node-ws --device py-ws >"$work/hub.log" 2>&1 &
    hub_process=$!
    tries=0
    until grep -q '^in /etc/twind.toml' "$work/hub.log"; do
        kill -0 "$hub_process" 2>/dev/null || fail "the hub does not start; may this user listen on 443?"
        tries=$((tries + 1))
        [ "$tries" -lt 240 ] || fail "the hub does not come up"
        sleep 0.1
    done
}

hub() {
    "$twinhub" "$@" --ca "$work/hub/ca.pem"
}

# reported DEVICE TEXT: whether the reported section holds this text, white space aside.
reported() {
    hub twin show "$1" | tr -d ' \n' | sed 's/.*"reported"://' | grep -qF "$2"
}

says() {
    grep -qF "$2" "$work/$1.log" 2>/dev/null
}

start_hub
TWINHUB_CONNECTION_STRING=$(sed -n 's/^ *\(HostName=.*SharedAccessKeyName=.*\)/\1/p' "$work/hub.log" | head -n 1)
export TWINHUB_CONNECTION_STRING
export NODE_EXTRA_CA_CERTS="$work/hub/ca.pem"

# --- Node -----------------------------------------------------------------------------------------------------------

node "$here/device.js" "$(hub connection-string MyTwinDevice)" >"$work/device.log" 2>&1 &
clients="$clients $!"
eventually "Node device: twin, first report" says device "reported:"
eventually "Node device: telemetry acknowledged" says device "telemetry acknowledged"

node "$here/backend.js" "$TWINHUB_CONNECTION_STRING" 500 >"$work/backend.log" 2>&1 || fail "Node back end"
cat "$work/backend.log"
wanted='finally reported: lastPatchReceivedId=Set maximum temperature firmwareVersion=1.2.1 fanOn=false minTemperature=68 maxTemperature=92'
grep -qxF "$wanted" "$work/backend.log" || fail "Node back end: what it finally shows"
tail -n 1 "$work/backend.log" | grep -qF '"maxTemperature":"92"' || fail "Node back end: a fresh twin"
echo "ok: Node back end and device through seven patches"
[ "$(grep -c '^reported:' "$work/device.log")" -eq 4 ] || fail "Node device: four reports"
echo "ok: Node device reported four times"
grep -q '"lastPatchReceivedId":"Init","fanOn":"false"' "$work/device.log" || fail "keys out of order"
echo "ok: keys keep their order"

hub method MyTwinDevice echo --payload '{"n":1}' | tr -d ' \n' | grep -qF '"payload":{"echo":{"n":1}}' ||
    fail "Node device: method"
echo "ok: Node device answers a method"

# --- Python ---------------------------------------------------------------------------------------------------------

"$cache/python/bin/python" "$here/device.py" "$(hub connection-string py)" "$work/hub/ca.pem" >"$work/python.log" 2>&1 &
clients="$clients $!"
eventually "Python device: twin, first report" reported py '"started":true'
hub twin update py --desired '{"colour":"red"}' >/dev/null
eventually "Python device: desired change reported" reported py '"applied":{"colour":"red"}'
hub method py echo --payload '"x"' | tr -d ' \n' | grep -qF '"payload":{"echo":"x"}' || fail "Python device: method"
echo "ok: Python device answers a method"

# --- both through WebSockets ----------------------------------------------------------------------------------------

node "$here/device.js" "$(hub connection-string node-ws)" MqttWs >"$work/node-ws.log" 2>&1 &
clients="$clients $!"
"$cache/python/bin/python" "$here/device.py" "$(hub connection-string py-ws)" "$work/hub/ca.pem" websockets \
    >"$work/python-ws.log" 2>&1 &
clients="$clients $!"
eventually "Node device over WebSocket: first report" reported node-ws '"firmwareVersion":"1.2.1"'
eventually "Python device over WebSocket: first report" reported py-ws '"started":true'
hub twin update py-ws --desired '{"colour":"red"}' >/dev/null
hub twin update node-ws --desired '{"components":{"climate":{"minTemperature":"50"}}}' >/dev/null
eventually "Python device over WebSocket: desired change reported" reported py-ws '"applied":{"colour":"red"}'
eventually "Node device over WebSocket: desired change reported" reported node-ws '"minTemperature":"50"'

# --- both, over a restart of the hub: neither subscribes again ---------------------------------------------------------

kill "$hub_process"
wait "$hub_process" || fail "the hub does not stop cleanly"
start_hub
connected() {
    hub twin show "$1" | grep -qF '"connectionState": "Connected"'
}
for device in MyTwinDevice py; do
    eventually "$device is back after a restart of the hub" connected "$device"
done
hub twin update py --desired '{"colour":"blue"}' >/dev/null
hub twin update MyTwinDevice --desired '{"patchId":"after","components":{"climate":{"minTemperature":"60"}}}' >/dev/null
eventually "Python device follows after a restart" reported py '"applied":{"colour":"blue"}'
eventually "Node device follows after a restart" reported MyTwinDevice '"minTemperature":"60"'

# --- the tutorial itself --------------------------------------------------------------------------------------------

if [ -n "${TWIND_TUTORIAL_DIR:-}" ]; then
    stop
    rm -rf "$work/hub"
    start_hub
    TWINHUB_CONNECTION_STRING=$(sed -n 's/^ *\(HostName=.*SharedAccessKeyName=.*\)/\1/p' "$work/hub.log" | head -n 1)
    node "$TWIND_TUTORIAL_DIR/SimulatedDevice.js" "$(hub connection-string MyTwinDevice)" >"$work/tutorial-device.log" 2>&1 &
    clients=$!
    eventually "the tutorial's device connects" connected MyTwinDevice
    node "$TWIND_TUTORIAL_DIR/ServiceClient.js" "$TWINHUB_CONNECTION_STRING" >"$work/tutorial-backend.log" 2>&1 ||
        fail "the tutorial's back end"
    sed -n '/Final reported/,$p' "$work/tutorial-backend.log"
    for value in 'Set maximum temperature' 1.2.1 false 68 92; do
        sed -n '/Final reported/,$p' "$work/tutorial-backend.log" | grep -qF "$value" || fail "the tutorial: no $value"
    done
    echo "ok: the tutorial's two programs"
fi
echo "all checks passed"
