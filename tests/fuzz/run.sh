#!/usr/bin/env bash
# Searches for bytes that make a body of tests/fuzz/src fail.
#
#   tests/fuzz/run.sh [SECONDS_PER_TARGET] [TARGET…]      60 seconds each, every target
#
# A search keeps the inputs that it finds in tests/fuzz/target/found, and the next search starts from them. Inputs worth
# sharing are copied by hand to tests/fuzz/corpus, which `cargo test --test corpus` replays. A failure ends the run.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "skipped: fuzzing ($*)"; exit 0; }

seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls tests/fuzz/corpus)

command -v c++ >/dev/null || skip "the fuzzer needs a C++ compiler; on Debian: apt install g++"
command -v cargo-fuzz >/dev/null || cargo install --quiet --locked --debug cargo-fuzz || skip "cargo-fuzz cannot be had here"

# A stable compiler has the instrumentation too, but only enables it with this.
export RUSTC_BOOTSTRAP=1
found=tests/fuzz/target/found
# Files that the bodies write lie in the build's folder.
export TMPDIR=$PWD/tests/fuzz/target/tmp
mkdir -p "$TMPDIR"

# One codegen unit per crate would run a little faster, but takes far longer to build. So does a sanitizer, which would find
# nothing: the daemon has no unsafe code.
options=(--fuzz-dir tests/fuzz --codegen-units 16 --sanitizer none)
cargo fuzz build "${options[@]}"
for target in "${targets[@]}"; do
    mkdir -p "$found/$target" "tests/fuzz/artifacts/$target"
    log=$TMPDIR/$target.log
    if TWIND_FUZZ_TARGET=$target cargo fuzz run "${options[@]}" search "$found/$target" "tests/fuzz/corpus/$target" -- \
        -artifact_prefix="$PWD/tests/fuzz/artifacts/$target/" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1
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
