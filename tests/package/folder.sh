#!/usr/bin/env bash
# The apt folder of packaging/release: an apt that knows nothing else refuses it unsigned, or changed after it was signed, and installs
# twind from it once it is signed by the commands that packaging/release prints. As root, since apt runs in a file system of its own.
#
#   tests/package/folder.sh [--install] [amd64|arm64|armhf …]     --install: installs missing Debian packages; default: all three
#
# Exit status 0 if all is well, or if the tools are not available here, which it says.
. "$(dirname "$0")/../../packaging/lib.sh"
here=$project/tests/package

install=
if [ "${1:-}" = --install ]; then
    install=--install
    shift
fi
"$here/tools.sh" amd64 $install || { [ $? -eq 3 ] && say "skipped: the apt folder" && exit 0; exit 1; }
mapfile -t missing < <(missing_packages gnupg)
if [ ${#missing[@]} -gt 0 ]; then
    [ -n "$install" ] || { say "skipped: the apt folder (missing: ${missing[*]}; --install has them installed)"; exit 0; }
    install_packages "${missing[@]}"
fi

work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT
folder=$work/root/srv/twind
mkdir "$work/root"
tar -C "$work/root" -xpf "$("$here/root.sh" amd64 | tail -n 1)"
mkdir -p "$folder"

# release: makes the folder, and keeps what is said of it.
release() { "$project/packaging/release" ${install:+--install-tools} --output "$folder" "$@" 2>"$work/said" >/dev/null || { cat "$work/said" >&2; fail "no release"; }; }
inside() { systemd-nspawn -q -D "$work/root" -M "twind-$$" --register=no --keep-unit --pipe --private-network -E DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }

# refuses WHY: whether apt does not take the folder, and says this.
refuses() { ! inside apt-get -q update >"$work/update" 2>&1 && grep -q "$1" "$work/update" || fail "\"$1\" is not what apt says: $(cat "$work/update")"; }

# What nobody can write to is refused before anything is built.
! said=$(TWIND_MAINTAINER=nobody "$project/packaging/build-deb" 2>&1) && [[ $said == *'is not of the form: Name <address>'* ]] ||
    fail "a maintainer without an address is taken: $said"

export TWIND_MAINTAINER="A Tester <tester@example.com>" TWIND_HOMEPAGE=https://example.com/twind
release "$@"
(cd "$folder" && sha256sum --quiet --check SHA256SUMS)

# The folder is all that this apt knows, so that it needs no network. What the package depends on is in the file system.
rm -f "$work/root/etc/apt/sources.list" "$work/root/etc/apt/sources.list.d/"*
sed -n 's,^  \(deb .*\)https://SERVER/FOLDER,\1file:/srv/twind,p' "$work/said" >"$work/root/etc/apt/sources.list.d/twind.list"
mkdir -p "$work/root/etc/apt/keyrings"
refuses "is not signed"

export GNUPGHOME=$work/gnupg
mkdir -m 700 "$GNUPGHOME"
gpg --quiet --batch --passphrase '' --quick-generate-key tester@example.com default sign never 2>"$work/gpg.log" || { cat "$work/gpg.log"; fail "no key"; }
sed -n 's/^  gpg /gpg --quiet --batch /p' "$work/said" | sed 's/KEY/tester@example.com/' >"$work/sign"
[ "$(wc -l <"$work/sign")" = 4 ] || fail "packaging/release does not print four commands: $(cat "$work/said")"
(cd "$folder" && sh -e "$work/sign")
gpg --quiet --verify "$folder/SHA256SUMS.asc" "$folder/SHA256SUMS" 2>/dev/null || fail "the signature of the checksums is wrong"
cp "$folder/twind.asc" "$work/root/etc/apt/keyrings/"

inside apt-get -q update >"$work/update" 2>&1 && ! grep '^[WE]:' "$work/update" || fail "apt does not take the signed folder: $(cat "$work/update")"
inside apt-get -q -y install twind >"$work/install" 2>&1 || fail "apt does not install it: $(cat "$work/install")"
version=$(inside twind --version)
[ "$version" = "twind $(sed -n '1s/^twind (\(.*\)-[0-9]*) .*/\1/p' "$project/packaging/changelog")" ] || fail "what is installed says it is $version"
shown=$(inside apt-cache show twind)
for field in "Maintainer: $TWIND_MAINTAINER" "Homepage: $TWIND_HOMEPAGE"; do
    grep -qxF "$field" <<<"$shown" || fail "\"$field\" is not in: $shown"
done

# A folder that somebody changed after it was signed.
printf ' ' >>"$folder/Packages"
rm "$folder/Packages.gz"
inside sh -c 'rm -rf /var/lib/apt/lists/*'
refuses "Hash Sum mismatch\|unexpected size"

say "the apt folder: $(grep -c . "$folder/SHA256SUMS") packages; apt refuses it unsigned or changed, and installs $version from it signed"
