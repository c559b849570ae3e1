#!/usr/bin/env bash
# Line coverage of one crate by the tests of that crate: the figure, the lines that no test runs, and exit code 1 below the bound.
#
#   scripts/coverage.sh            engine/, at least 98 %
#   scripts/coverage.sh CRATE [%]  another member of the workspace: sip (90 %), timers, story, ...
#
# Lines of tests are not counted. What rustc itself evaluates (tables of constants) counts as run only where a test runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh
source scripts/cargo_tool.sh

crate=${1:-engine}
declare -A bounds=([engine]=98 [sip]=90)
bound=${2:-${bounds[$crate]:-0}}
[[ -f $crate/Cargo.toml ]] || fail "there is no crate $crate; the crates are: $(sed -n 's/^members = //p' Cargo.toml)"

# cargo-llvm-cov needs the tools of the LLVM that rustc carries: rustup has them, and Debian where the versions meet.
llvm_tools() {
    local found llvm
    found=$(compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/llvm-cov" | head -1) || true
    [[ -n $found ]] && return
    llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    found=/usr/lib/llvm-$llvm/bin
    if [[ ! -x $found/llvm-cov ]]; then
        if command -v rustup >/dev/null && rustup component add llvm-tools; then return; fi
        ((EUID == 0)) && apt-get install --yes --no-install-recommends "llvm-$llvm" ||
            fail "llvm-cov of LLVM $llvm is missing: rustup component add llvm-tools, or Debian's package llvm-$llvm as root."
    fi
    export LLVM_COV=$found/llvm-cov LLVM_PROFDATA=$found/llvm-profdata
}

llvm_tools
cargo_tool cargo-llvm-cov 0.9.1
others=$(sed -n 's/^members = \[\(.*\)\]/\1/p' Cargo.toml | tr -d '" ' | tr ',' '\n' | grep -vx "$crate" | paste -sd '|')
# What an earlier state of the sources left would be counted in.
cargo llvm-cov clean --workspace
# Fewer random cases than the tests take by themselves, for what they reach they reach soon; always the same ones, so that
# the figure repeats.
CCBS_FUZZ=${CCBS_FUZZ-20000} PROPTEST_CASES=${PROPTEST_CASES-200} PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED-1} \
    CCBS_NETWORKS=${CCBS_NETWORKS-4} CCBS_RUNS=${CCBS_RUNS-40} \
    cargo llvm-cov test --quiet --locked --release --package "ccbs-$crate" --no-report
# engine/src/watch, the rules that explorations and histories are held to, is compiled for tests and for ccbs-explore alone.
report=$(cargo llvm-cov report --release --summary-only --show-missing-lines \
    --ignore-filename-regex "^$PWD/(($others)/|engine/src/watch[./])" 2>/dev/null)
sed -n "s|^$PWD/\(.*\): \([0-9, -]*\)\$|not run: \1: \2|p" <<<"$report"
read -r lines missed < <(awk '$1 == "TOTAL" { print $8, $9 }' <<<"$report")
[[ -n ${missed-} ]] || fail "cargo-llvm-cov's report has no total: $report"
awk -v crate="$crate" -v lines="$lines" -v missed="$missed" -v bound="$bound" 'BEGIN {
    share = 100 * (lines - missed) / lines
    printf "figure: coverage: %s/ %.2f %% of %d lines, %d not run; asked %g %%\n", crate, share, lines, missed, bound
    exit share < bound
}'
