#!/usr/bin/env bash
# Every check of the project, by stages; the time and outcome of each at the end, with pytest's closing lines last.
#
#   scripts/test.sh           all stages (make test)
#   scripts/test.sh STAGE...  only these: rustfmt clippy ruff mypy stubs generated instructions rust unit model acceptance package
#
# A stage that fails does not stop the others; the exit code is 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

bin=${VENV:-.venv}/bin
reports=.cache/test
mkdir -p "$reports"
names=() outcomes=() closing=()
failed=0

stage() {
    local name=$1 wanted outcome began=$SECONDS
    shift
    if ((${#only[@]})) && [[ " ${only[*]} " != *" $name "* ]]; then return; fi
    say "$name: $*"
    if "$@" 2>&1 | tee "$reports/$name.log"; then outcome=passed; else outcome=FAILED failed=1; fi
    names+=("$name") outcomes+=("$outcome, $((SECONDS - began)) s")
    [[ $1 == */pytest ]] && closing+=("$(printf '%-10s  %s' "$name" "$(sed 's/\x1b\[[0-9;]*m//g' "$reports/$name.log" | grep -E '^=+ .* in [0-9.]+s' | tail -1)")")
}

simulated_offices() {
    "$bin/ccbs" simulate --calls 1000000 --faults 0.02 && "$bin/ccbs" simulate --calls 200000 --faults 0.1 --profile ccbs
}

only=("$@")
known=" rustfmt clippy ruff mypy stubs generated instructions rust simulate unit model acceptance package "
for name in "$@"; do
    [[ $known == *" $name "* ]] || fail "there is no stage $name; the stages are:$known"
done

stage rustfmt cargo fmt --all --check
stage clippy cargo clippy --quiet --release --locked --workspace --all-targets -- -D warnings
stage ruff eval '"$bin/ruff" check . && "$bin/ruff" format --check .'
stage mypy "$bin/mypy" python/ccbs tests examples scripts demo benches
stage stubs "$bin/python" -m mypy.stubtest ccbs._ccbs
stage generated scripts/generate.sh --check
stage instructions "$bin/python" -m benches.counts
stage rust cargo test --quiet --release --locked --workspace
stage simulate simulated_offices
stage unit "$bin/pytest" tests/unit -n 2
stage model "$bin/pytest" tests/reference -n 2
# By file: the procedures keep a worker to themselves.
stage acceptance "$bin/pytest" tests/acceptance -n 2 --dist loadfile -v
stage package "$bin/pytest" tests/package -v

say "Stages"
for i in "${!names[@]}"; do printf '%-10s  %s\n' "${names[i]}" "${outcomes[i]}"; done
((${#closing[@]})) && printf '%s\n' "" "${closing[@]}"
exit "$failed"
