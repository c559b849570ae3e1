#!/usr/bin/env bash
# Changes the functions that hold the tables and carry them out, one at a time, and shows that a test fails for each.
#
#   scripts/mutants.sh           the files below
#   scripts/mutants.sh FILE...   only these
#
# What may survive, and why, stands in .cargo/mutants.toml. Rows of the tables are data, which cargo-mutants leaves
# alone: engine/src/tests/table_mutants.rs changes those.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh
source scripts/cargo_tool.sh

files=("$@")
((${#files[@]})) || files=(engine/src/{life,lookup,state,line_life,effects,turn,callee,requests,outcome,facts}.rs)
cargo_tool cargo-mutants 27.1.0
selected=()
for file in "${files[@]}"; do
    [[ -f $file ]] || fail "there is no file $file"
    selected+=(--file "$file")
done

report=.cache/mutants
mkdir -p "$report"
outcome=0
# The library's tests alone, built and run, but for those that repeat them at length; what fails is not made smaller, and
# what has not ended after ten times its usual time will not.
PROPTEST_CASES=60 PROPTEST_RNG_SEED=1 PROPTEST_MAX_SHRINK_ITERS=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0 \
    cargo mutants --package ccbs-engine "${selected[@]}" --output "$report" --no-shuffle --colors never --timeout 25 \
    --jobs 2 --cargo-arg=--locked --cargo-arg=--lib -- -- --skip table_mutants --skip random_histories || outcome=$?
count() { wc -l <"$report/mutants.out/$1.txt"; }
# 2: some are unnoticed; 3: some were brought to no end, which is noticed, too, and hides a 2.
((outcome == 0 || outcome == 2 || outcome == 3)) || exit "$outcome"
echo "figure: mutants: $(count caught) functions changed and noticed, $(count timeout) brought to no end," \
    "$(count missed) unnoticed, $(count unviable) that do not compile"
cat "$report"/mutants.out/missed.txt >&2
(($(count missed) == 0))
