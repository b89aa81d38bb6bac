# The first hour of a person with the package: from `apt install` to a room that is held, on a machine that has nothing of
# twind's. Sourced by nspawn.sh. Every command is a line of the handbook, found there, and typed by an ordinary user who may
# use sudo. Only what stands for something of the person's own is replaced: the package's file, the editor, what is pasted.
#
# The rest is the surroundings: a simulated board, a thermometer that is a file, and the stand-in hub with its certificate.

transcript=$target/first-hour.txt

# handbook_line PAGE BEGINNING: the command of that page that begins so, without its comment.
handbook_line() {
    local line
    line=$(awk '/^```sh$/ { code = 1; next } /^```/ { code = 0 } code' "$project/packaging/doc/$1.md" |
        sed 's/ *#.*//' | grep -m 1 -F -e "$2") || fail "$1.md has no command $2"
    [[ $line == "$2"* ]] || fail "$1.md has no command that begins with $2"
    say "$line"
}

# types PAGE BEGINNING [FROM TO]: types that command, with FROM replaced, in a session of its own, and pastes $paste, if that is set.
paste=
types() {
    local line shown
    line=$(handbook_line "$1" "$2")
    shown=${line//"${3:-}"/${4:-}}
    {
        say "pi@gateway:~\$ $shown"
        printf '%s' "$paste" | nsenter -t "$leader" -a /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin TERM=dumb \
            /usr/sbin/runuser -l pi -c "export EDITOR='cp /home/pi/edited.toml'; $shown" 2>&1 || say "[exit status $?]"
        say
    } >>"$transcript"
    answer=$(tail -n 40 "$transcript")
    paste=
}

# note TEXT: what the person does not type.
note() { say "($*)" >>"$transcript"; say >>"$transcript"; }

# The handbook's cabinet, at this machine's wires and hub.
edited_file() {
    awk '/^A cabinet with a fan/ { here = 1 } here && /^```toml$/ { code = 1; next } /^```/ && code { exit } code' \
        "$project/packaging/doc/getting-started.md" |
        sed -e "/^connection-string-file/a ca-file = \"twind/ca.pem\"\nport = $hub_port\n\n[board]\ndriver = \"simulated\"" \
            -e '/^tach/d' -e 's/^driver = "w1"/driver = "file"/' \
            -e 's|^id = "[^"]*".*|path = "/run/cabinet/temperature"|'
}

answered() { [[ $answer == *"$1"* ]] || { cat "$transcript" >&2; fail "the answer has no \"$1\""; }; }

a_first_hour_goes_by_the_handbook() {
    : >"$transcript"
    inside useradd --create-home --groups adm --shell /bin/bash pi
    inside sh -c "echo 'pi ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/pi"
    inside mkdir -p /run/cabinet
    inside sh -c 'echo 21.5 >/run/cabinet/temperature'
    cp "$package" "$root/home/pi/"

    types getting-started "sudo apt install" ./twind_0.2.0-1_arm64.deb "./$(basename "$package")"
    types getting-started "sudo adduser"
    types getting-started "sudo twind init"
    answered "/etc/twind.new.toml"
    types getting-started "sudo mv"
    edited_file >"$root/home/pi/edited.toml"
    types getting-started "sudoedit"
    note "$(printf 'in the editor now:\n\n%s' "$(cat "$root/home/pi/edited.toml")")"
    paste=$(grep -m1 -o 'HostName=.*DeviceId=.*' "$work/hub.log")
    types getting-started "sudo install -m 600 /dev/stdin"
    (umask 077; cp "$work/hub/ca.pem" "$root/etc/twind/ca.pem")
    types getting-started "sudo twind check --hardware"
    answered "is right"
    types getting-started "sudo twind check --hub"
    types getting-started "sudo systemctl enable --now twind"
    is_active || { cat "$transcript" >&2; diagnose; fail "it does not run"; }
    eventually "the hub" is_connected
    eventually "the climate's drive" drives fan 500
    types getting-started "sudo twind status"
    answered "all is well"
    answered "fan: 50 % by climate"

    note "the cabinet becomes hot: 30 °C"
    inside sh -c 'echo 30.0 >/run/cabinet/temperature'
    eventually "full drive" drives fan 1000
    types on-site "twind status"
    answered "fan: 100 % by climate"
    note "the back end sets another range: 18 to 24 °C; the cabinet has 21"
    desire '{"components": {"climate": {"minTemperature": 18, "maxTemperature": 24}}}'
    inside sh -c 'echo 21.0 >/run/cabinet/temperature'
    eventually "the drive by the new range" drives fan 500
    types on-site "twind override fan 60%"
    eventually "the override" drives fan 600
    types on-site "twind override fan clear"
    eventually "the climate" drives fan 500
    note "the cabinet becomes cold: 12 °C"
    inside sh -c 'echo 12.0 >/run/cabinet/temperature'
    eventually "the heater" drives heater 1000
    inside sh -c 'echo 21.0 >/run/cabinet/temperature'
    eventually "the heater's rest" drives heater 0
    types on-site "twind status"
    answered "all is well"
    answered "target 18 to 24"
    types on-site "journalctl -u twind -x"
    ! grep -q '\[exit status' "$transcript" || { cat "$transcript" >&2; fail "a command of the handbook failed"; }
    sed 's/^/    /' "$transcript"

    inside dpkg -P twind >/dev/null 2>&1
    inside userdel --remove pi 2>/dev/null
}
