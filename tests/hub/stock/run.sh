#!/bin/sh
# Checks the unmodified stock Azure SDKs against a running twinhub.
#
#   run.sh PATH_OF_TWINHUB
#
# TWIND_TUTORIAL_DIR  a checkout of the tutorial's DeviceTwins folder, whose two programs are then run as well (70 s)
#
# Exit code 0 if all is well, or if Node, npm, Python or pip is missing; 1 if a check fails.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 PATH_OF_TWINHUB" >&2
    exit 64
fi
here=$(cd "$(dirname "$0")" && pwd)
twinhub=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
. "$here/lib.sh"

enter_hub

# --- Node -----------------------------------------------------------------------------------------------------------

node "$here/device.js" "$(hub connection-string MyTwinDevice)" >"$work/device.log" 2>&1 &
clients="$clients $!"
eventually "Node device: twin, first report" says device "reported:"
eventually "Node device: telemetry acknowledged" says device "telemetry acknowledged"

# sent DEVICE ID: whether exactly one message of this device is held, with this id and what the device put in it.
sent() {
    hub events --device "$1" >"$work/events.json" || return 1
    [ "$(wc -l <"$work/events.json")" -eq 1 ] || return 1
    for part in "\"message-id\":\"$2\"" '"content-type":"application/json"' '"body":{"temperature":21.5}' \
        '"application":{"alarm":"door & roof"}' "\"iothub-connection-device-id\":\"$1\""; do
        grep -qF "$part" "$work/events.json" || return 1
    done
}
sent MyTwinDevice node-1 || fail "Node device: its message as the hub has it: $(cat "$work/events.json")"
echo "ok: Node device's message has its properties"

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
eventually "Python device: telemetry acknowledged" says python "telemetry acknowledged"
sent py python-1 || fail "Python device: its message as the hub has it: $(cat "$work/events.json")"
echo "ok: Python device's message has its properties"
hub twin update py --desired '{"colour":"red"}' >/dev/null
eventually "Python device: desired change reported" reported py '"applied":{"colour":"red"}'
hub method py echo --payload '"x"' | tr -d ' \n' | grep -qF '"payload":{"echo":"x"}' || fail "Python device: method"
echo "ok: Python device answers a method"

# --- both over WebSockets -------------------------------------------------------------------------------------------

node "$here/device.js" "$(hub connection-string node-ws)" MqttWs >"$work/node-ws.log" 2>&1 &
clients="$clients $!"
"$cache/python/bin/python" "$here/device.py" "$(hub connection-string py-ws)" "$work/hub/ca.pem" websockets \
    >"$work/python-ws.log" 2>&1 &
clients="$clients $!"
eventually "Node device over WebSocket: first report" reported node-ws '"firmwareVersion":"1.2.1"'
eventually "Python device over WebSocket: first report" reported py-ws '"started":true'
hub twin update py-ws --desired '{"colour":"red"}' >/dev/null
hub twin update node-ws --desired '{"components":{"climate":{"minTemperature":"50"}}}' >/dev/null
eventually "Python device over WebSocket: its message" sent py-ws python-1
eventually "Node device over WebSocket: its message" sent node-ws node-1
eventually "Python device over WebSocket: desired change reported" reported py-ws '"applied":{"colour":"red"}'
eventually "Node device over WebSocket: desired change reported" reported node-ws '"minTemperature":"50"'

# --- a hub named by the provisioning service ----------------------------------------------------------------------------

scope=$(sed -n 's/^registration py-dps in scope \(.*\):$/\1/p' "$work/hub.log")
key=$(sed -n '/^registration py-dps /{n;s/^ *//p;}' "$work/hub.log")
for manner in mqtt websockets; do
    "$cache/python/bin/python" "$here/provision.py" "$host" "$scope" py-dps "$key" "$work/hub/ca.pem" $manner \
        >"$work/python-dps.log" 2>&1 || fail "Python device: provisioning by $manner"
    grep -qxF "assigned: $host py-dps" "$work/python-dps.log" || fail "Python device: what it was assigned"
    echo "ok: Python device provisioned by $manner"
done
reported py-dps '"provisioned":true' || fail "Python device: report after provisioning"

# --- both after a restart of the hub: neither subscribes again --------------------------------------------------------

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
    enter_hub
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
