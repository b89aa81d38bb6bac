#!/bin/sh
# Public parsers of DTDL take the models that `twind model` prints, and the one that is installed.
#
#   dtdl.sh PATH_OF_TWIND
#
# The parsers are Microsoft's for JavaScript, and its .NET one as @digicatapult/dtdl-parser packs it.
#
# TWIND_STOCK_CACHE  where they are installed (default: twind-stock-cache in the temporary folder)
#
# Exit code 0 if all is well or Node or npm is missing, 1 if a check fails.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 PATH_OF_TWIND" >&2
    exit 64
fi
here=$(cd "$(dirname "$0")" && pwd)
twind=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cache=${TWIND_STOCK_CACHE:-${TMPDIR:-/tmp}/twind-stock-cache}/dtdl
for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: $tool missing"
        exit 0
    fi
done

# A complete installation leaves a mark, so that an interrupted one is repeated.
if [ ! -e "$cache/complete" ]; then
    mkdir -p "$cache"
    (cd "$cache" && echo '{"private":true}' >package.json &&
        npm install --no-audit --no-fund --loglevel=error \
            @azure/dtdl-parser@1.0.0-beta.2 @digicatapult/dtdl-parser@1.1.83 && touch complete)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(umask 077 && echo "HostName=h.azure-devices.net;DeviceId=pi;SharedAccessKey=$(printf x | base64)" >"$work/connection-string")

# site NAME MODEL_ID: the model of a configuration, whose tables below [hub] are read from standard input.
site() {
    { printf '[hub]\nconnection-string-file = "connection-string"\n%s\n' "$2" && cat; } >"$work/$1.toml"
    "$twind" model --config "$work/$1.toml" >"$work/$1.json" 2>"$work/$1.notes" || { cat "$work/$1.notes"; exit 1; }
    sed "s/^/$1: /" "$work/$1.notes"
}

site small '' <<'TOML'
[outputs.fan]
pin = 17
[sensors.cabinet]
driver = "w1"
id = "28-0316a2797c1f"
[climate]
sensor = "cabinet"
cooling = "fan"
TOML

site large 'model-id = "dtmi:com:example:Farm:North;3"' <<'TOML'
[report]
style = "pnp"
[twin]
units = "system.units"
[outputs.office-fan]
pin = 17
[outputs.vent]
pwm = { channel = 0 }
property = "vent.on"
[outputs.night-light]
pin = 22
property = "night-light.on"
[sensors.desk]
driver = "file"
path = "/run/desk"
[sensors.moist]
driver = "file"
path = "/run/moist"
measures = "humidity"
[sensors.tank-1]
driver = "file"
path = "/run/tank"
measures = "water-level"
[climates.office]
sensor = "desk"
lowering = "office-fan"
unit = "fahrenheit"
range = { min = 68.0, max = 82.0 }
property = "office"
[climates.greenhouse]
holds = "humidity"
sensor = "moist"
lowering = "vent"
range = { min = 40.0, max = 60.0 }
property = "greenhouse"
TOML
grep -q 'left out of the model: night-light.on' "$work/large.notes" || { echo "FAILED: what is left out is not said"; exit 1; }

node "$here/dtdl.mjs" "$cache" "$work/small.json" "$work/large.json" "$here/../../config/twind.dtdl.json"
