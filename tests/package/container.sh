# The container, and the hub outside it; sourced by nspawn.sh.

device=MyTwinDevice

# Defaults that emulated.sh overrides: the probe's options, the preparation of the root before its first boot, the handling
# of secrets, and the reason why a case is not tried.
probe_options=
prepare_root() { :; }
hand_over_secrets() { :; }
left_out() { :; }

# start_hub [OPTION …]: starts the stand-in hub on the loopback, which the container shares; again on the same port.
start_hub() {
    twinhub=${TWIND_PACKAGE_TWINHUB:-$target/debug/twinhub}
    [ -n "${TWIND_PACKAGE_TWINHUB:-}" ] || (cd "$project" && cargo build --quiet --locked --package twinhub)
    # An earlier hub's output must not be taken for this one's.
    : >"$work/hub.log"
    "$twinhub" serve --folder "$work/hub" --mqtt-port "${hub_port:-0}" --https-port 0 "$@" >"$work/hub.log" 2>&1 &
    hub=$!
    # The hub's start-up output ends with this line.
    eventually "the hub" grep -q '^  ca-file = ' "$work/hub.log"
    export TWINHUB_CONNECTION_STRING
    TWINHUB_CONNECTION_STRING=$(grep -m1 -o 'HostName=.*SharedAccessKeyName=.*' "$work/hub.log")
    hub_port=$(sed -n 's/^devices connect to localhost:\([0-9]*\)$/\1/p' "$work/hub.log")
}

# desire JSON: changes the desired section.
desire() { "$twinhub" twin update "$device" --ca "$work/hub/ca.pem" --desired "$1" >/dev/null; }

# reports TEXT: whether the reported section contains this compact JSON.
reports() { [[ $("$twinhub" twin show "$device" --ca "$work/hub/ca.pem" | tr -d ' \n') == *'"reported":'*"$1"* ]]; }

# start_container: boots Debian without any trace of twind.
start_container() {
    mkdir "$root"
    tar -C "$root" -xpf "$("$here/root.sh" "$arch" ${suite:+"$suite"} | tail -n 1)"
    # Manual pages are installed, so that the test sees their removal.
    rm "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
    say "127.0.0.1 localhost" >"$root/etc/hosts"
    prepare_root
    systemd-nspawn -q -D "$root" --boot --register=no --keep-unit -M "$machine" --console=pipe </dev/null >"$work/console.log" 2>&1 &
    nspawn=$!
    eventually "the container's systemd" find_leader
    eventually "multi-user.target" inside systemctl is-active --quiet multi-user.target
    cp "$work/debs/"*.deb "$root/opt/"
}

find_leader() { leader=$(pgrep -P "$nspawn" | sed -n 1p) && [ -n "$leader" ]; }

# inside COMMAND…: runs it in the container, as root.
inside() { nsenter -t "$leader" -a /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }

# eventually WHAT COMMAND…: repeats the command until it succeeds; a minute is far more than anything here takes.
eventually() {
    local what=$1 tries=0
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { diagnose; fail "never came: $what"; }
        sleep 0.1
    done
}

# is WHAT FOUND WANTED: fails unless both are equal.
is() { [ "$2" = "$3" ] || { diagnose; fail "$1: found \"$2\", wanted \"$3\""; }; }

# has WHAT TEXT PART: fails unless the text contains the part.
has() { [[ $2 == *"$3"* ]] || { diagnose; fail "$1: \"$3\" is not in: $2"; }; }

diagnose() {
    [ -n "$leader" ] || { cat "$work/console.log" >&2; return; }
    { inside systemctl status --no-pager twind; inside journalctl --no-pager -u twind -n 40 -o short-monotonic; } >&2 || true
}

# property NAME: a property of the unit.
property() { inside systemctl show -P "$1" twind; }

# The simulated board of the container.
drive() { inside cat "/run/twind/board/$1"; }
drives() { [ "$(drive "$1")" = "$2" ]; }
changes() { inside wc -l /run/twind/board/trace.jsonl | cut -d ' ' -f 1; }
last_cause() { inside tail -n 1 /run/twind/board/trace.jsonl | sed 's/.*"cause":"\([^"]*\)".*/\1/'; }

# says TEXT: whether the unit's journal contains this.
says() { inside journalctl -u twind -o cat --no-pager | grep -e "$1" >/dev/null; }

# ended_with TEXT: whether this is the last line of twind itself, since a stopped service no longer has a simulated board.
# (By SYSLOG_IDENTIFIER, because the journal may look up a process's name too late.)
ended_with() { [ "$(inside journalctl -u twind -o cat --no-pager SYSLOG_IDENTIFIER=twind | tail -n 1)" = "$1" ]; }

is_connected() { [[ $(property StatusText) == "hub: connected"* ]]; }
is_settled() { [[ $(property StatusText) == "hub: connected"*"climate: in-range"* ]]; }
is_active() { inside systemctl is-active --quiet twind; }
