# Functions that every check with the stock SDKs uses; sourced, not run. Needs $twinhub, the program's absolute path.
#
# TWIND_STOCK_CACHE   where the SDKs are installed (default: twind-stock-cache in the temporary folder)
# TWIND_STOCK_HOST    the hub's name, an address of this machine (default: 127.0.0.2). The SDKs only use ports 8883 and
#                     443, so the user must be allowed to listen on both.
#
# Where Node, npm, Python or pip is missing, says so and ends the caller with 0.

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

# A complete installation leaves a mark, so that an interrupted one is repeated.
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

# eventually WHAT COMMAND…: repeats the command until it succeeds; fails after a minute.
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
    : >"$work/hub.log"
    "$twinhub" serve --folder "$work/hub" --host "$host" --bind "$host" --mqtt-port 8883 --https-port 443 \
        --device MyTwinDevice --device py --device node-ws --device py-ws --enrol py-dps >"$work/hub.log" 2>&1 &
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

# reported DEVICE TEXT: whether the reported section contains this text, white space aside.
reported() {
    hub twin show "$1" | tr -d ' \n' | sed 's/.*"reported"://' | grep -qF "$2"
}

says() {
    grep -qF "$2" "$work/$1.log" 2>/dev/null
}

# Starts the hub and puts the back end's connection string and the hub's CA certificate into the environment.
enter_hub() {
    start_hub
    TWINHUB_CONNECTION_STRING=$(sed -n 's/^ *\(HostName=.*SharedAccessKeyName=.*\)/\1/p' "$work/hub.log" | sed -n 1p)
    export TWINHUB_CONNECTION_STRING
    export NODE_EXTRA_CA_CERTS="$work/hub/ca.pem"
}
