# The cases of upgrades, downgrades, removal, and of a released daemon. Sourced by nspawn.sh.

# over PACKAGE VERSION: installs it while the daemon runs; no output may change.
over() {
    local changes_before pid_before
    eventually "the hub" is_connected
    changes_before=$(changes) pid_before=$(main_pid)
    install_package "$1"
    is "version" "$(installed_version)" "$2"
    is_active || { diagnose; fail "it does not run any more"; }
    [ "$(main_pid)" != "$pid_before" ] || fail "it is still the old daemon"
    eventually "the hub and a reading" is_settled
    is "changes of outputs" "$(changes)" "$changes_before"
    is "enabled" "$(inside systemctl is-enabled twind)" enabled
    is "handover" "$(inside ls /run/twind | tr '\n' ' ')" "board twind.sock "
    is "the drive" "$(drive fan)" 500
    is "the configuration" "$(inside stat -c '%A %U %G' /etc/twind.toml)" "-rw-r----- root twind"
}

an_upgrade_does_not_show_on_the_outputs() { over "$newer" 99.0-1; }
a_downgrade_does_not_either() { over "$older" 0.0.9-1; }
a_reinstallation_does_not_either() { over "$older" 0.0.9-1; }

an_upgrade_to_a_daemon_that_cannot_start_leaves_the_crash_rows() {
    configure $'[nonsense]\nx = 1'
    local pid
    pid=$(main_pid)
    install_package "$newer"
    eventually "the crash row" ended_with "fan: 40 %, fail-safe crash"
    is "exit status" "$(property ExecMainStatus)" 78
    is "orderly ends" "$(inside journalctl -u twind -o cat --no-pager _PID="$pid" | grep -c 'go to their stop rows')" 1
    configure ""
    inside systemctl start twind
    eventually "the climate" drives fan 500
}

a_stopped_service_is_not_started_by_an_upgrade() {
    inside systemctl stop twind
    install_package "$package"
    is "active" "$(inside systemctl is-active twind || true)" inactive
    inside systemctl start twind
    eventually "the climate" drives fan 500
}

a_removal_stops_it_and_keeps_what_is_the_sites() {
    inside dpkg -r twind >/dev/null 2>&1
    ! is_active || fail "it still runs"
    eventually "an orderly stop" says "outputs go to their stop rows"
    for kept in /etc/twind.toml /etc/twind/connection-string /var/lib/twind/twin.a; do
        inside test -e "$kept" || fail "$kept is gone"
    done
    ! inside test -e /usr/bin/twind || fail "the program is still there"
    ! inside test -e /run/twind || fail "/run/twind is still there"
}

a_new_installation_goes_on_with_it() {
    install_package "$package"
    is "enabled" "$(inside systemctl is-enabled twind)" enabled
    inside systemctl start twind
    eventually "the stored twin" says "started from the stored twin"
    eventually "the climate" drives fan 500
}

# A fresh installation of the released package (released.sh): its own configuration file, followed by the site's lines, and a
# twin that it fetched itself. Its program may not know what a later one writes, so upgrade and downgrade are both tried.
a_released_daemon_holds_a_twin() {
    inside dpkg -P twind >/dev/null 2>&1
    install_package "$released"
    put_in_place
    local shipped
    shipped=$(cat "$root/etc/twind.toml")
    configure $'hub-silent = { after = "24h", drive = "auto" }
[outputs.lamp]
pin = 22
[outputs.pump]
pin = 23
property = "components.pump.on"'
    # The release does not know `max-age`, and accepts a reading of any age.
    printf '%s\n' "$shipped" "$(grep -v '^max-age' "$root/etc/twind.toml")" >"$work/site.toml"
    cat "$work/site.toml" >"$root/etc/twind.toml"
    inside systemctl enable --now twind 2>/dev/null || { diagnose; fail "it did not start"; }
    eventually "the hub" is_connected
    desire '{"fanOn": null, "components": {"climate": {"minTemperature": "20", "maxTemperature": "40"}, "pump": {"on": true}}}'
    eventually "the desired range" drives fan 200
    eventually "the desired pump" drives pump 1000
    inside twind override lamp on --for 2h >/dev/null
    eventually "the override" drives lamp 1000
    eventually "the report" reports '"maxTemperature":"40"'
}

stop_hub() {
    kill "$hub"
    wait "$hub" 2>/dev/null || true
    hub=
}
has_no_hub() { [[ $(property StatusText) != "hub: connected"* ]]; }
# controls_by VERSION: the climate controls by a reading and the desired section of this version.
controls_by() { [[ $(property StatusText) == *"desired version $1; climate: in-range" ]]; }
# whole_twin: both sections of the copy, with their keys sorted.
whole_twin() { inside twind twin | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin), sort_keys=True))'; }
override_of() { inside twind status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["outputs"][sys.argv[1]]["cause"])' "$1"; }
# The upper end of the climate's override.
range_override() { inside twind status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["climate"]["override"]["max"])'; }

# across PACKAGE VERSION: installs it while the daemon runs without a hub, so that the new daemon knows only the record.
across() {
    local version twin program changes_before pid_before
    # A fresh reading: what follows takes less time than a later daemon's `max-age`.
    inside sh -c 'echo 24.0 >/run/cabinet/temperature'
    version=$(property StatusText | sed -n 's/.*desired version \([0-9]*\);.*/\1/p')
    stop_hub
    eventually "no hub" has_no_hub
    twin=$(whole_twin) program=$(inside sha256sum /usr/bin/twind)
    changes_before=$(changes) pid_before=$(main_pid)
    install_package "$1"
    is "version" "$(installed_version)" "$2"
    [ "$(inside sha256sum /usr/bin/twind)" != "$program" ] || fail "both packages have the same program"
    is_active || { diagnose; fail "it does not run any more"; }
    [ "$(main_pid)" != "$pid_before" ] || fail "it is still the old daemon"
    eventually "control by the record, version $version" controls_by "$version"
    has_no_hub || fail "there is a hub, so nothing is known of the record"
    is "the twin" "$(whole_twin)" "$twin"
    has "the lamp" "$(override_of lamp)" override
    is "the records" "$(inside ls /var/lib/twind | grep -v -e '^twin\.[ab]$' -e '^lock$' || true)" ""
    is "handover" "$(inside ls /run/twind | tr '\n' ' ')" "board twind.sock "
    cmp "$work/site.toml" "$root/etc/twind.toml" || fail "the configuration is not the site's any more"
    start_hub
    eventually "the hub" is_connected
    eventually "control with the hub" controls_by "$version"
    is "changes of outputs" "$(changes)" "$changes_before"
}

an_upgrade_of_a_released_daemon_goes_on_with_its_record() {
    across "$newer" 99.0-1
    desire '{"components": {"climate": {"maxTemperature": "36"}}}'
    eventually "another desired range" drives fan 250
    eventually "its report" reports '"maxTemperature":"36"'
    eventually "the sensor's report" reports '"temperature":24'
    # What the next case hands to a release that does not know it; the same range, so that no output may move.
    inside twind override climate 20..36 --for 2h >/dev/null
    is "the override of the range" "$(range_override)" 36
}

a_downgrade_to_a_released_daemon_goes_on_with_the_record_of_this_one() {
    across "$released" 0.1.0-1
    desire '{"components": {"climate": {"maxTemperature": "30"}, "pump": null}}'
    eventually "another desired range" drives fan 400
    eventually "the pump" drives pump 0
    eventually "its report" reports '"maxTemperature":"30"'
}

an_upgrade_of_a_released_daemon_that_was_newer_before_does_so_again() {
    across "$newer" 99.0-1
    desire '{"components": null}'
    eventually "the climate of the file" drives fan 500
}
