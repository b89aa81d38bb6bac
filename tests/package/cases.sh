# The cases in order: each begins with the state that the one before it left. Sourced by nspawn.sh.

cases="
a_fresh_package_neither_runs_nor_is_enabled
configuration_and_secrets_are_for_root_and_the_daemon
the_first_start_says_once_what_to_fill_in_and_stays_down
one_file_edited_and_enabled_it_runs
outputs_follow_the_twin_and_the_sensor
nothing_waits_for_the_network
the_journal_has_fields
the_socket_is_for_root_and_the_group
the_sandbox_denies_what_it_should
systemd_knows_each_key_of_the_unit
the_exposure_is_low
a_reload_takes_a_new_range
a_secret_that_systemd_encrypted_is_used
a_flood_from_the_hub_stays_below_the_ceiling_of_memory
a_journal_that_hangs_holds_up_nothing
a_disk_that_cannot_be_written_is_an_alarm
a_slip_in_the_file_keeps_no_output_from_its_crash_row
a_killed_daemon_leaves_the_crash_rows_and_comes_back
a_hung_daemon_is_killed_by_the_watchdog_and_comes_back
a_daemon_that_dies_again_and_again_rests_in_its_crash_rows_until_another_try
an_upgrade_does_not_show_on_the_outputs
a_downgrade_does_not_either
a_reinstallation_does_not_either
an_upgrade_to_a_daemon_that_cannot_start_leaves_the_crash_rows
a_stopped_service_is_not_started_by_an_upgrade
a_removal_stops_it_and_keeps_what_is_the_sites
a_new_installation_goes_on_with_it
a_released_daemon_holds_a_twin
an_upgrade_of_a_released_daemon_goes_on_with_its_record
a_downgrade_to_a_released_daemon_goes_on_with_the_record_of_this_one
an_upgrade_of_a_released_daemon_that_was_newer_before_does_so_again
a_purge_leaves_nothing
a_first_hour_goes_by_the_handbook
"

# Everything that a purge must restore, except the files of dpkg and the journal and the backups of the account files.
inventory() {
    inside find /etc /usr /opt /srv /var /run -xdev \
        -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' -not -path '/var/cache/*' -not -path '/var/lib/systemd/*' \
        -not -path '/run/systemd/*' -not -path '/run/user*' -not -path '/run/udev*' -not -path '/run/log/*' -not -path '/run/dbus*' \
        -not -path '/etc/*-' -not -path '/etc/.pwd.lock' -not -path '/opt/*' -not -path '/tmp/*' | sort
    inside cut -d : -f 1 /etc/passwd | sed 's/^/user /'
    # Raspberry Pi OS has this group, and other packages share it.
    inside cut -d : -f 1 /etc/group | grep -vx gpio | sed 's/^/group /'
    inside find /var/lib/systemd -name '*twind*'
}

install_package() { inside dpkg -i --force-confold "/opt/$(basename "$1")" >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "dpkg"; }; }
installed_version() { inside dpkg-query -W -f '${Version}' twind; }

a_fresh_package_neither_runs_nor_is_enabled() {
    inventory >"$work/before"
    install_package "$package"
    is "active" "$(inside systemctl is-active twind || true)" inactive
    is "enabled" "$(inside systemctl is-enabled twind || true)" disabled
    is "the program" "$(inside twind --version)" "twind $(installed_version | sed 's/-.*//')"
}

configuration_and_secrets_are_for_root_and_the_daemon() {
    is "the configuration" "$(inside stat -c '%A %U %G' /etc/twind.toml)" "-rw-r----- root twind"
    is "the secrets' folder" "$(inside stat -c '%A %U %G' /etc/twind)" "drwxr-x--- root twind"
    has "its groups" "$(inside id -nG twind)" gpio
    is "its shell" "$(inside getent passwd twind | cut -d : -f 7)" /usr/sbin/nologin
}

the_first_start_says_once_what_to_fill_in_and_stays_down() {
    ! inside systemctl start twind 2>/dev/null || fail "it started"
    is "exit status" "$(property ExecMainStatus)" 78
    is "restarts" "$(property NRestarts)" 0
    is "state" "$(property ActiveState)" failed
    local lines
    lines=$(inside journalctl -u twind -o cat --no-pager SYSLOG_IDENTIFIER=twind)
    is "lines of the daemon" "$(grep -vc 'nothing is driven' <<<"$lines")" 1
    # `twind safe` runs after it.
    is "lines of twind safe" "$(grep -c 'configures no output.*nothing is driven' <<<"$lines")" 1
    has "the message" "$lines" "connection-string-file"
    has "the message" "$lines" "[outputs.NAME]"
    inside systemctl start twind-again.service
    is "another try" "$(inside systemctl show -P Result twind-again.service)" exec-condition
    inside systemctl reset-failed twind
}

# configure LINES: writes the site's configuration, with these lines below [outputs.fan.when].
configure() {
    cat >"$root/etc/twind.toml" <<TOML
[hub]
connection-string-file = "twind/connection-string"
ca-file = "twind/ca.pem"
port = $hub_port
[report]
min-interval = "1s"
[board]
driver = "simulated"
[outputs.fan]
pwm = { channel = 0 }
[outputs.fan.when]
crash = "40%"
$1
[sensors.cabinet]
driver = "file"
path = "/run/cabinet/temperature"
period = "200ms"
max-age = "off"        # a case writes it once, and all of them together may take longer
[climate]
cooling = "fan"
range = { min = 20.0, max = ${range_max:-28.0} }
TOML
}

# put_in_place: writes a sensor's reading, the secrets and the CA certificate. Only root may read the last two here: the
# daemon gets them as credentials.
put_in_place() {
    inside mkdir -p /run/cabinet
    inside sh -c 'echo 24.0 >/run/cabinet/temperature'
    (umask 077; grep -m1 -o 'HostName=.*DeviceId=.*' "$work/hub.log" >"$root/etc/twind/connection-string"; cp "$work/hub/ca.pem" "$root/etc/twind/ca.pem")
    hand_over_secrets
}

one_file_edited_and_enabled_it_runs() {
    put_in_place
    configure ""
    has "check" "$(inside twind check)" "is right"
    inside systemctl enable --now twind 2>/dev/null || { diagnose; fail "it did not start"; }
    is_active || fail "it is not active after its start"
    eventually "the hub" is_connected
    eventually "the climate's drive" drives fan 500
    ! inside runuser -u twind -- cat /etc/twind/connection-string 2>/dev/null || fail "its user can read the secret itself"
}

outputs_follow_the_twin_and_the_sensor() {
    desire '{"fanOn": false}'
    eventually "the desired drive" drives fan 0
    eventually "its report" reports '"fanOn":false'
    desire '{"fanOn": null}'
    eventually "the climate again" drives fan 500
    inside sh -c 'echo 26.0 >/run/cabinet/temperature'
    eventually "the warmer cabinet" drives fan 750
    inside sh -c 'echo 24.0 >/run/cabinet/temperature'
    eventually "the cooler cabinet" drives fan 500
}

nothing_waits_for_the_network() {
    local after
    after=$(property After)
    [[ $after != *network* ]] || fail "it waits: $after"
    [[ $after != *time-sync* ]] || fail "it waits: $after"
    has "wants" "$(property Wants)" time-sync.target
}

the_journal_has_fields() {
    local entry
    inside journalctl --sync
    entry=$(inside journalctl -u twind -o json --no-pager TWIND_OUTPUT=fan | tail -n 1)
    for part in '"PRIORITY":"6"' '"TWIND_PERMILLE":' '"TWIND_CAUSE":' '"_SYSTEMD_UNIT":"twind.service"' '"MESSAGE_ID":"'; do
        has "an entry" "$entry" "$part"
    done
    has "the explanation" "$(inside journalctl -x -u twind --no-pager TWIND_OUTPUT=fan)" "Subject: Output fan is set to"
    is "lines that are no entries of ours" "$(inside journalctl -u twind -o cat --no-pager _TRANSPORT=stdout SYSLOG_IDENTIFIER=twind | grep -vc 'nothing is driven$' || true)" 0
}

tells_of_root() { [[ $(inside journalctl -u twind -o cat --no-pager TWIND_BY='uid 0') == *fan* ]]; }

the_socket_is_for_root_and_the_group() {
    has "status" "$(inside twind status)" "fan"
    has "status of a member" "$(inside setpriv --reuid nobody --regid twind --clear-groups twind status)" "fan"
    # As with adduser, the group is a supplementary one.
    inside setpriv --reuid nobody --regid nogroup --groups "$(inside getent group twind | cut -d: -f3)" twind override fan clear >/dev/null
    local code=0
    inside setpriv --reuid nobody --regid nogroup --clear-groups twind override fan off --for 5s 2>/dev/null || code=$?
    is "the exit status of anybody's override" "$code" 77
    inside twind override fan 90% --for 1h >/dev/null
    eventually "the override" drives fan 900
    eventually "who it was" tells_of_root
    inside twind override fan clear >/dev/null
    eventually "the climate" drives fan 500
}

# The probe runs in the daemon's sandbox, as an additional command of its unit.
the_sandbox_denies_what_it_should() {
    install -m 755 "$here/probe" "$root/usr/local/bin/probe"
    inside mkdir -p /run/systemd/system/twind.service.d
    inside sh -c "printf '[Service]\nExecStartPre=/usr/local/bin/probe $probe_options\n' >/run/systemd/system/twind.service.d/probe.conf"
    inside systemctl daemon-reload
    inside systemctl restart twind || { diagnose; fail "it did not start"; }
    eventually "the hub" is_connected
    local told
    told=$(inside cat /run/twind/probe)
    inside sh -c 'rm -r /run/systemd/system/twind.service.d /run/twind/probe'
    inside systemctl daemon-reload
    [[ $told != *WRONG* ]] || { say "$told" >&2; fail "the sandbox"; }
    say "$told"
}

systemd_knows_each_key_of_the_unit() {
    ! inside journalctl --no-pager -o cat -b | grep -i "unknown key.*twind\|twind.*unknown key" || fail "a key that this systemd does not know"
    # The manual is there, but no program that shows it, which systemd 257 takes amiss.
    is "what is wrong with the unit" "$(inside systemd-analyze verify --man=no twind.service 2>&1 | grep -i twind || true)" ""
}

the_exposure_is_low() {
    say "$(inside systemd-analyze security --no-pager --threshold=15 twind | tail -n 1)"
    inside systemd-analyze security --no-pager --threshold=15 twind >/dev/null || fail "more than 1.5"
}

a_reload_takes_a_new_range() {
    range_max=24.0 configure ""
    inside systemctl reload twind
    eventually "the new range" drives fan 1000
    configure ""
    inside systemctl reload twind
    is "the range that a reload left in force" "$(inside twind status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["climate"]["max"])')" 28
    eventually "the old range" drives fan 500
    echo 'nonsense = 1' >>"$root/etc/twind.toml"
    ! inside systemctl reload twind 2>/dev/null || fail "a reload that is refused did not fail"
    eventually "the refusal in the journal" says "the running one stays"
    configure ""
    inside systemctl reload twind
}

systemd_version() { inside systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p'; }
imports_credentials() { [ "$(systemd_version)" -ge 254 ]; }

# As the handbook says it, under "Encrypt a secret", but with the key of the machine, since a container has no TPM.
a_secret_that_systemd_encrypted_is_used() {
    local plain=/etc/twind/connection-string kept=/etc/credstore.encrypted/twind_connection-string made=
    # systemd 257 has the folder, 252 does not.
    [ -d "$root${kept%/*}" ] || made=yes
    inside mkdir -p -m 700 /etc/credstore.encrypted /etc/systemd/system/twind.service.d
    inside systemd-creds encrypt --with-key=host --name=twind_connection-string "$plain" "$kept"
    cp "$root$plain" "$work/plain"
    rm "$root$plain"
    # From systemd 254 on the unit looks there by itself.
    imports_credentials ||
        inside sh -c "printf '[Service]\nLoadCredentialEncrypted=twind_connection-string:$kept\n' >/etc/systemd/system/twind.service.d/secret.conf"
    inside systemctl daemon-reload
    inside systemctl restart twind || { diagnose; fail "it did not start"; }
    eventually "the hub" is_connected
    ! inside grep -rq SharedAccessKey= /etc/twind /etc/credstore.encrypted || fail "the secret is readable"
    inside rm -r /etc/systemd/system/twind.service.d "$kept"
    [ -z "$made" ] || inside rmdir "${kept%/*}"
    (umask 077; cp "$work/plain" "$root$plain")
    hand_over_secrets
    inside systemctl daemon-reload
    inside systemctl restart twind
    eventually "the hub" is_connected
}

main_pid() { property MainPID; }

restart_hub() {
    kill "$hub"
    wait "$hub" 2>/dev/null || true
    start_hub "$@"
}
fetched_after_a_flood() { [ "$(grep -c 'asked for its twin' "$work/hub.log")" -ge 2 ] && grep -q 'asked for its twin: 200' "$work/hub.log" && is_connected; }
memory_kib() { inside sh -c "sed -n 's/^$1:[^0-9]*\([0-9]*\) kB$/\1/p' /proc/$(main_pid)/status"; }

# 64 notifications of 250 KB arrive while a fetch is unanswered, under the unit's MemoryMax=64M.
a_flood_from_the_hub_stays_below_the_ceiling_of_memory() {
    local pid resting peak
    is "the unit's limit" "$(property MemoryMax)" $((64 * 1024 * 1024))
    pid=$(main_pid)
    inside sh -c "echo 5 >/proc/$pid/clear_refs"
    resting=$(memory_kib VmRSS)
    restart_hub --flood 64
    eventually "the next fetch, which is answered" fetched_after_a_flood
    peak=$(memory_kib VmHWM)
    say "   $resting KiB at rest, $peak KiB at most"
    is "the daemon" "$(main_pid)" "$pid"
    [ "$peak" -lt $((resting + 16 * 1024)) ] || fail "$resting KiB at rest, $peak KiB in a flood"
    restart_hub
    eventually "the hub" is_connected
}

# The socket of a stopped journald takes only a few lines.
a_journal_that_hangs_holds_up_nothing() {
    inside systemctl kill --kill-who=main --signal=STOP systemd-journald
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        inside sh -c 'echo 15.0 >/run/cabinet/temperature'
        eventually "rest" drives fan 0
        inside sh -c 'echo 30.0 >/run/cabinet/temperature'
        eventually "full drive" drives fan 1000
    done
    timeout 60 nsenter -t "$leader" -a /bin/systemctl stop twind || fail "a daemon whose journal hangs does not stop"
    is "how it ended" "$(property Result)" success
    timeout 60 nsenter -t "$leader" -a /bin/systemctl start twind || fail "a daemon whose journal hangs does not start"
    eventually "the climate" drives fan 1000
    inside systemctl kill --kill-who=main --signal=CONT systemd-journald
    inside sh -c 'echo 24.0 >/run/cabinet/temperature'
    eventually "the climate" drives fan 500
    eventually "the lines that waited" says "started from the stored twin"
    eventually "the hub" is_connected
}

has_alarm() { [[ $(inside twind status --json | tr -d ' \n') == *"\"alarms\":"*"\"$1\""* ]]; }
has_no_alarm() { [[ $(inside twind status --json | tr -d ' \n') == *'"alarms":{}'* ]]; }
is_kept() { inside test -e /var/lib/twind/twin.a; }

a_disk_that_cannot_be_written_is_an_alarm() {
    inside systemctl stop twind
    inside mount -t tmpfs -o "ro,mode=700,uid=$(inside id -u twind),gid=$(inside id -g twind)" tmpfs /var/lib/twind
    inside systemctl start twind || { diagnose; fail "it does not start without a disk"; }
    eventually "the climate" drives fan 500
    eventually "the alarm" has_alarm disk
    eventually "the alarm at the hub" reports '"disk":{'
    eventually "the journal" says "Read-only file system"
    desire '{"fanOn": false}'
    # The effect is reported at once, but the acknowledgement only once the record is stored.
    eventually "the desired drive" drives fan 0
    eventually "its report" reports '"cause":"desiredversion'
    inside mount -o remount,rw /var/lib/twind
    # The daemon's sandbox has a mount of its own.
    inside nsenter -t "$(main_pid)" -m mount -o remount,rw /var/lib/twind
    eventually "the copy" is_kept
    eventually "no alarm" has_no_alarm
    eventually "the acknowledgement" reports '"fanOn":false'
    desire '{"fanOn": null}'
    inside systemctl stop twind
    inside umount /var/lib/twind
    inside systemctl start twind
    eventually "the climate" drives fan 500
    eventually "the hub" is_connected
}

# Whatever the file says by then, the outputs that were driven must be left in their crash rows.
a_slip_in_the_file_keeps_no_output_from_its_crash_row() {
    sed -i 's/^\[outputs\.fan/[outputs.fna/; s/^cooling = "fan"/cooling = fan/' "$root/etc/twind.toml"
    inside systemctl kill --kill-who=main --signal=KILL twind
    eventually "the end of it" is_failed
    is "exit status" "$(property ExecMainStatus)" 78
    eventually "the crash row" says "fan: 40 %, fail-safe crash"
    configure ""
    inside systemctl start twind
    eventually "the climate" drives fan 500
    eventually "the hub" is_connected
}
has_restarted() { [ "$(property NRestarts)" -ge "$1" ] && is_active; }

a_killed_daemon_leaves_the_crash_rows_and_comes_back() {
    local before
    before=$(property NRestarts)
    inside systemctl kill --kill-who=main --signal=KILL twind
    eventually "the crash row" drives fan 400
    has "why" "$(last_cause)" crash
    eventually "a restart" has_restarted $((before + 1))
    eventually "the climate" drives fan 500
    eventually "the hub" is_connected
}

a_hung_daemon_is_killed_by_the_watchdog_and_comes_back() {
    local before
    # The unit's own watchdog takes half a minute.
    inside mkdir -p /run/systemd/system/twind.service.d
    inside sh -c 'printf "[Service]\nWatchdogSec=2s\n" >/run/systemd/system/twind.service.d/watchdog.conf'
    inside systemctl daemon-reload
    inside systemctl restart twind
    eventually "the climate" drives fan 500
    before=$(property NRestarts)
    inside systemctl kill --kill-who=main --signal=STOP twind
    eventually "the crash row" drives fan 400
    eventually "a restart" has_restarted $((before + 1))
    eventually "the watchdog in the journal" says "Watchdog timeout"
    eventually "the climate" drives fan 500
    inside rm -r /run/systemd/system/twind.service.d
    inside systemctl daemon-reload
    inside systemctl restart twind
}

is_failed() { [ "$(property ActiveState)" = failed ]; }
kill_until_failed() { inside systemctl kill --kill-who=main --signal=KILL twind 2>/dev/null; is_failed; }
waits_for_another_try() { inside systemctl is-active --quiet twind-again.timer; }

a_daemon_that_dies_again_and_again_rests_in_its_crash_rows_until_another_try() {
    is "the pause" "$(inside systemctl show -P TimersMonotonic twind-again.timer | grep -o 'OnActiveUSec=[^ ]*')" OnActiveUSec=30min
    inside mkdir -p /run/systemd/system/twind.service.d /run/systemd/system/twind-again.timer.d
    inside sh -c 'printf "[Unit]\nStartLimitIntervalSec=5s\nStartLimitBurst=3\n[Service]\nRestartSec=100ms\n" >/run/systemd/system/twind.service.d/quick.conf'
    inside sh -c 'printf "[Timer]\nOnActiveSec=\nOnActiveSec=6s\nAccuracySec=100ms\n" >/run/systemd/system/twind-again.timer.d/quick.conf'
    inside systemctl daemon-reload
    eventually "the end of it" kill_until_failed
    eventually "the crash row" ended_with "fan: 40 %, fail-safe crash"
    eventually "the limit in the journal" says "Start request repeated too quickly"
    eventually "the wait" waits_for_another_try
    eventually "another try" is_active
    eventually "the climate" drives fan 500

    # If it is stopped in the meantime, there is no other try.
    eventually "the end of it" kill_until_failed
    eventually "the wait" waits_for_another_try
    inside systemctl stop twind
    ! waits_for_another_try || fail "a stopped daemon would be started again"

    inside rm -r /run/systemd/system/twind.service.d /run/systemd/system/twind-again.timer.d
    inside systemctl daemon-reload
    inside systemctl reset-failed twind
    inside systemctl start twind
    eventually "the climate" drives fan 500
    eventually "the hub" is_connected
}

a_purge_leaves_nothing() {
    inside dpkg -P twind >/dev/null 2>&1
    inside rm -rf /run/cabinet /usr/local/bin/probe
    inventory >"$work/after"
    diff "$work/before" "$work/after" || fail "it left something, or took something"
}
