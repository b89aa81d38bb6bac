#!/usr/bin/env bash
# The package for another architecture: builds it, checks it with lintian, unpacks it and runs its program in an emulator. The
# program must print its version, accept a right configuration and refuse a wrong one. nspawn.sh installs the arm64 package
# and tests more; this script needs neither root nor a container, so it can also check that package where nspawn.sh cannot.
#
#   tests/package/foreign.sh [--install] [arm64|armhf …]       --install: installs missing Debian packages; default: armhf
#
# Exit status 0 if all is well, or if the tools are not available here, which it says.
. "$(dirname "$0")/../../packaging/lib.sh"

install=
if [ "${1:-}" = --install ]; then
    install=--install-tools
    shift
fi
archs=("$@")
[ ${#archs[@]} -gt 0 ] || archs=(armhf)
if [ "$(. /etc/os-release && say "${VERSION_CODENAME:-}")" != "$codename" ]; then
    say "skipped: the packages for other architectures (the tools are chosen for Debian $codename)"
    exit 0
fi
mapfile -t missing < <(missing_packages lintian qemu-user-static)
if [ ${#missing[@]} -gt 0 ]; then
    [ -n "$install" ] || { say "skipped: the packages for other architectures (missing: ${missing[*]}; --install has them installed)"; exit 0; }
    install_packages "${missing[@]}"
fi

work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT
mkdir "$work/site"
(umask 077; say "HostName=contoso.azure-devices.net;DeviceId=MyTwinDevice;SharedAccessKey=c2VjcmV0" >"$work/site/connection-string")
cat >"$work/site/right.toml" <<'TOML'
[hub]
connection-string-file = "connection-string"
[outputs.fan]
pwm = { channel = 0 }
[sensors.cabinet]
driver = "thermal-zone"
id = "cpu-thermal"
[climate]
sensor = "cabinet"
cooling = "fan"
TOML
sed 's/channel = 0/chanel = 0/' "$work/site/right.toml" >"$work/site/wrong.toml"

for arch in "${archs[@]}"; do
    case $arch in
    arm64) emulator=(qemu-aarch64-static -L /usr/aarch64-linux-gnu) ;;
    armhf) emulator=(qemu-arm-static -L /usr/arm-linux-gnueabihf) ;;
    *) fail "no such architecture: $arch (arm64, armhf)" ;;
    esac
    package=$("$project/packaging/build-deb" $install "$arch" | tail -n 1)
    lintian --allow-root --fail-on warning "$package" || fail "lintian has something to say of $package"
    [ "$(dpkg-deb -f "$package" Architecture)" = "$arch" ] || fail "$package is not for $arch"
    dpkg-deb -x "$package" "$work/$arch"
    twind=("${emulator[@]}" "$work/$arch/usr/bin/twind")
    version=$("${twind[@]}" --version)
    [ "$version" = "twind $(dpkg-deb -f "$package" Version | sed 's/-.*//')" ] || fail "$arch says it is $version"
    "${twind[@]}" check --config "$work/site/right.toml" >/dev/null || fail "$arch refuses a right configuration"
    code=0
    said=$("${twind[@]}" check --config "$work/site/wrong.toml" 2>&1) || code=$?
    [ "$code" = 78 ] && [[ $said == *'did you mean `channel`'* ]] || fail "$arch says of a wrong configuration ($code): $said"
    say "$arch: $(basename "$package"), $(stat -c %s "$package") bytes, lintian has nothing to say; it runs, checks and refuses"
done
