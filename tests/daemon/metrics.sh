#!/bin/sh
# Independent parsers read the metrics of a running twind, what the command prints and the file alike, and Prometheus's own tool
# checks the handbook's rules for alerts and has each fire in its test (alerts.yml).
#
#   metrics.sh PATH_OF_TWIND
#
# The parsers are those of Prometheus's client for Python, and promtool, whose parser node_exporter's textfile collector has, too.
# promtool is taken from the path, or from Debian's package prometheus, which is unpacked and not installed, since that would start
# a server.
#
# TWIND_STOCK_CACHE  where they are installed (default: twind-stock-cache in the temporary folder)
#
# Exit code 0 if all is well or something is missing, which is said; 1 if a check fails.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 PATH_OF_TWIND" >&2
    exit 64
fi
here=$(cd "$(dirname "$0")" && pwd)
twind=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cache=${TWIND_STOCK_CACHE:-${TMPDIR:-/tmp}/twind-stock-cache}/metrics

fail() {
    echo "FAILED: $*"
    exit 1
}

# --- the tools ------------------------------------------------------------------------------------------------------

mkdir -p "$cache"
python=$cache/python/bin/python
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    echo "skipped: the parser in Python, since python3 or pip is missing"
    python=
elif [ ! -e "$cache/python/complete" ]; then
    python3 -m venv "$cache/python"
    "$cache/python/bin/pip" install --quiet prometheus_client==0.26.0
    touch "$cache/python/complete"
fi

promtool=$(command -v promtool || true)
if [ -z "$promtool" ]; then
    promtool=$cache/prometheus/usr/bin/promtool
    if [ ! -x "$promtool" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
        # A folder that apt's own user need not write to.
        (cd "$cache" && rm -f prometheus_*.deb && apt-get download -qq -o APT::Sandbox::User=root prometheus &&
            dpkg-deb -x prometheus_*.deb prometheus && rm prometheus_*.deb) || true
    fi
    if [ ! -x "$promtool" ]; then
        echo "skipped: promtool, since Debian's package prometheus cannot be had"
        promtool=
    fi
fi

# --- a site with one of everything -----------------------------------------------------------------------------------

work=$(mktemp -d)
daemon=
finish() {
    status=$?
    trap - EXIT
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    wait
    [ "$status" -eq 0 ] || tail -n 40 "$work/log"
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM
(umask 077 && echo "HostName=localhost;DeviceId=pi;SharedAccessKey=$(printf x | base64)" >"$work/connection-string")
echo 24.0 >"$work/temperature"
echo 55.3 >"$work/humidity"
echo 640 >"$work/co2"
echo 0.25 >"$work/level"
mkdir "$work/board"
echo 900 >"$work/board/fan.rpm"
# Nobody listens on this port, and no network is needed.
cat >"$work/twind.toml" <<TOML
[hub]
connection-string-file = "connection-string"
port = 1
[twin]
state-dir = "$work/state"
[local]
socket = "$work/socket"
metrics-file = "$work/twind.prom"
[board]
driver = "simulated"
folder = "$work/board"
[outputs.fan]
pwm = { channel = 0 }
tach = {}
[outputs.vent]
pwm = { channel = 1 }
[outputs.pump]
[sensors.desk]
driver = "file"
path = "$work/temperature"
[sensors.moist]
driver = "file"
path = "$work/humidity"
measures = "humidity"
[sensors.air]
driver = "file"
path = "$work/co2"
measures = "co2"
[sensors.tank]
driver = "file"
path = "$work/level"
measures = 'level"C:\\new"'
[sensors.gone]
driver = "file"
path = "$work/gone"
period = "1s"
stale-after = "1s"
[climates.office]
sensor = "desk"
lowering = "fan"
range = { min = 20.0, max = 28.0 }
[climates.greenhouse]
sensor = "moist"
lowering = "vent"
range = { min = 40.0, max = 60.0 }
[climates.hall]
sensor = "air"
lowering = "vent"
range = { min = 0.0, max = 1000.0 }
[climates.cellar]
sensor = "tank"
lowering = "pump"
range = { min = 0.0, max = 1.0 }
TOML
RUNTIME_DIRECTORY=$work "$twind" run --config "$work/twind.toml" 2>"$work/log" &
daemon=$!
RUNTIME_DIRECTORY=$work
export RUNTIME_DIRECTORY
printed() { "$twind" status --openmetrics --config "$work/twind.toml" >"$work/printed.prom" 2>/dev/null; }
tries=0
raised='^twind_alarm{alarm="sensor-gone"'
until printed && grep -q "$raised" "$work/printed.prom" && grep -q "$raised" "$work/twind.prom" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 240 ] || fail "the daemon does not tell what it should"
    sleep 0.25
done
"$twind" override fan '40%' --for 1h --config "$work/twind.toml" >/dev/null
"$twind" override office 19..29 --for 1h --config "$work/twind.toml" >/dev/null
printed || fail "twind status --openmetrics"

# --- what reads it ----------------------------------------------------------------------------------------------------

if [ -n "$python" ]; then
    "$python" "$here/metrics.py" "$work/printed.prom" "$work/twind.prom"
fi
if [ -n "$promtool" ]; then
    for text in printed twind; do
        "$promtool" check metrics <"$work/$text.prom" >"$work/said" 2>&1 || { cat "$work/said"; fail "promtool: $text.prom"; }
        [ ! -s "$work/said" ] || { cat "$work/said"; fail "promtool has something to say of $text.prom"; }
        echo "ok: promtool takes $text.prom"
    done
    sed -n '/^```yaml$/,/^```$/{/^```/!p}' "$here/../../packaging/doc/monitoring.md" >"$work/twind.yml"
    cp "$here/alerts.yml" "$work/alerts.yml"
    "$promtool" check rules "$work/twind.yml"
    "$promtool" test rules "$work/alerts.yml"
    echo "ok: promtool takes the rules, and each fires when it should"
fi

kill "$daemon"
wait "$daemon" || fail "twind does not stop in order"
daemon=
[ ! -e "$work/twind.prom" ] || fail "the file is still there after an orderly stop"
echo "all checks passed"
