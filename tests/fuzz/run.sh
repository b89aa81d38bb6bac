#!/usr/bin/env bash
# Searches for bytes that a body of tests/fuzz/src cannot bear.
#
#   tests/fuzz/run.sh [SECONDS_PER_TARGET] [TARGET…]      60 seconds each, every target
#
# What a search learns stays in tests/fuzz/target/found, where the next one goes on from; what is worth keeping for everybody is
# copied to tests/fuzz/corpus, which `cargo test --test corpus` replays. A crash ends the run.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "skipped: fuzzing ($*)"; exit 0; }

seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' tests/fuzz/Cargo.toml | grep -v '^twind-fuzz$')

command -v c++ >/dev/null || skip "the fuzzer needs a C++ compiler; on Debian: apt install g++"
command -v cargo-fuzz >/dev/null || cargo install --quiet --locked --debug cargo-fuzz || skip "cargo-fuzz cannot be had here"

# The compiler's instrumentation is there in a stable compiler too, but has to be asked for so.
export RUSTC_BOOTSTRAP=1
found=tests/fuzz/target/found
# What bodies write goes away with the build.
export TMPDIR=$PWD/tests/fuzz/target/tmp
mkdir -p "$TMPDIR"

# One unit per crate would be a little faster, and takes far longer to build.
options=(--fuzz-dir tests/fuzz --codegen-units 16)
cargo fuzz build "${options[@]}"
for target in "${targets[@]}"; do
    mkdir -p "$found/$target" "tests/fuzz/artifacts/$target"
    log=$TMPDIR/$target.log
    if cargo fuzz run "${options[@]}" "$target" "$found/$target" "tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1
    then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        reached=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1)
        echo "$target: $runs runs, $reached"
    else
        tail -40 "$log"
        crash=$(grep -o 'tests/fuzz/artifacts/[^ /]*/[^ ]\+' "$log" | tail -1 || true)
        [ -n "$crash" ] || exit 1
        printf '\n%s fails. Keep the bytes and run them again:\n    cp %s tests/fuzz/corpus/%s/ && cargo test --test corpus %s\n' \
            "$target" "$crash" "$target" "$target"
        exit 1
    fi
done
