#!/usr/bin/env bash
# Every check of the project, by stages; at the end the time and outcome of each, and the figures of the proofs.
#
#   scripts/test.sh                  all stages (make test)
#   scripts/test.sh STAGE...         only these; scripts/test.sh --list names them
#   scripts/test.sh --long ...       the same for the long forms of the proofs (make test-long)
#
# A stage that fails does not stop the others; the exit code is 1 if any failed. What a proof looked at it prints itself,
# as lines "figure: PROOF: WORDS"; a proof whose stage ran and printed none has failed.
set -uo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

bin=${VENV:-.venv}/bin
reports=.cache/test
mkdir -p "$reports"

# benches/engine is a workspace of its own, whose peers take minutes to compile: clippy of it is left to who changes it.
formatted() {
    cargo fmt --all --check && cargo fmt --manifest-path benches/engine/Cargo.toml --check
}

# A lock file that no longer fits its manifests.
current_locks() {
    local manifest
    for manifest in Cargo.toml benches/engine/Cargo.toml; do
        cargo metadata --quiet --locked --format-version 1 --manifest-path "$manifest" >/dev/null || return
    done
}

simulated_offices() {
    office --calls 1000000 --faults 0.02 && office --calls 200000 --faults 0.1 --profile ccbs
}

office() {
    "$bin/ccbs" simulate "$@" 2>&1 | awk -v options="$*" '{ print } / calls in .* s$/ { print "figure: office: " $0 ", " options }'
}

# Every world of the form, then each planted bug.
explored() {
    local explore=(cargo run --quiet --release --locked --package ccbs-explore --)
    "${explore[@]}" ${1:+"$1"} --check docs/engine.md && "${explore[@]}" --planted ${2:+"$2"} --check docs/engine.md
}

# The stages, in their order: name, the proofs whose figures it prints (comma between, - for none), command.
stages() {
    stage rustfmt - formatted
    stage locks - current_locks
    stage clippy - cargo clippy --quiet --release --locked --workspace --all-targets -- -D warnings
    stage ruff - eval '"$bin/ruff" check . && "$bin/ruff" format --check .'
    stage mypy - "$bin/mypy" python/ccbs tests examples scripts demo benches
    stage stubs - "$bin/python" -m mypy.stubtest ccbs._ccbs
    stage generated - scripts/generate.sh --check
    stage instructions - "$bin/python" -m benches.counts
    stage rust invariants,fuzz,network,crashes cargo test --quiet --release --locked --workspace
    # Begun here because the next stages leave a processor idle half of the time. Asterisk is only brought: if it cannot be,
    # its own stage says why.
    begin asterisk tests/interop/asterisk/get_asterisk.sh
    begin explore explored "" --short
    stage simulate office simulated_offices
    stage unit - "$bin/pytest" tests/unit -n 2
    stage model model "$bin/pytest" tests/reference -n 2
    stage explore exploration begun
    stage coverage coverage eval 'scripts/coverage.sh && scripts/coverage.sh sip'
    # It waits for pip and for a recall more than it works, as the procedures do for their timers.
    begin package "$bin/pytest" tests/package -v
    # By file: the procedures keep a worker to themselves.
    stage acceptance - "$bin/pytest" tests/acceptance -n 2 --dist loadfile -v
    stage interop - "$bin/pytest" tests/interop --ignore tests/interop/asterisk -n 2 --dist loadfile -v
    stage storm storm "$bin/pytest" tests/storm -v -s
    stage conformance - "$bin/pytest" tests/conformance -n 6 --dist worksteal -v
    stage asterisk - "$bin/pytest" tests/interop/asterisk -n 2 --dist loadfile -v
    stage package - begun
}

# How long each takes stands in docs/testing.md.
long_stages() {
    # An hour of waiting beside the rest: it counts what grows and what is lost, not how fast it goes.
    begin soak env CCBS_SOAK_S=3600 "$bin/pytest" tests/storm/test_soak.py -v -s
    stage rust invariants,fuzz,mutants,network,crashes env CCBS_FUZZ=20000000 CCBS_RUNS=10000 CCBS_NETWORKS=500 PROPTEST_CASES=20000 cargo test --quiet --release --locked --workspace -- --include-ignored
    stage explore exploration explored --long ""
    stage simulate office eval 'office --calls 10000000 --faults 0.02 && office --calls 2000000 --faults 0.1 --profile ccbs'
    stage unit - "$bin/pytest" tests/unit -n 2 -q --hypothesis-profile=long
    stage model model "$bin/pytest" tests/reference -n 2 -q --hypothesis-profile=long
    stage storm storm env CCBS_KILLS=500 "$bin/pytest" tests/storm -v -s
    stage prompts - "$bin/python" scripts/make_prompts.py --check
    stage mutants mutants scripts/mutants.sh
    stage soak soak begun
}

declare -A titles=(
    [model]="reference model" [exploration]="exploration" [fuzz]="fuzz" [office]="simulated office"
    [invariants]="invariants" [coverage]="line coverage" [mutants]="mutants" [network]="virtual network" [crashes]="crashes" [storm]="storm" [soak]="soak"
)
declare -A begun=() since=() commands=()
names=() outcomes=() closing=() figures=()
failed=0

wanted() { ((${#only[@]} == 0)) || [[ " ${only[*]} " == *" $1 "* ]]; }

# Begins the command of a stage, whose `stage NAME ... begun` comes later and waits for it.
begin() {
    local name=$1
    shift
    wanted "$name" || return 0
    { "$@"; outcome=$?; echo "$SECONDS" >"$reports/$name.ended"; exit "$outcome"; } >"$reports/$name.log" 2>&1 &
    begun[$name]=$! since[$name]=$SECONDS commands[$name]="$*"
}

stage() {
    local name=$1 proofs=$2 outcome began=$SECONDS ended
    shift 2
    wanted "$name" || return 0
    if [[ $1 == begun ]]; then
        began=${since[$name]}
        say "$name: ${commands[$name]}"
        if wait "${begun[$name]}"; then outcome=passed; else outcome=FAILED failed=1; fi
        ended=$(<"$reports/$name.ended")
        cat "$reports/$name.log"
        set -- ${commands[$name]}
    else
        say "$name: $*"
        if "$@" 2>&1 | tee "$reports/$name.log"; then outcome=passed; else outcome=FAILED failed=1; fi
        ended=$SECONDS
    fi
    proven "$name" "${proofs//,/ }"
    names+=("$name") outcomes+=("$outcome, $((ended - began)) s")
    [[ $1 == */pytest ]] && closing+=("$(printf '%-10s  %s' "$name" "$(plain "$name" | grep -E '^=+ .* in [0-9.]+s' | tail -1)")")
}

plain() { sed 's/\x1b\[[0-9;]*m//g' "$reports/$1.log"; }

# Takes a stage's figures out of what it printed.
proven() {
    local name=$1 proof line found
    for proof in $2; do
        [[ $proof == - ]] && continue
        found=0
        while read -r line; do
            figures+=("$(printf '%-16s  %s' "${titles[$proof]}" "$line")") found=1
        done < <(plain "$name" | sed -n "s/.*figure: $proof: //p")
        ((found)) || { figures+=("$(printf '%-16s  NO FIGURE, from stage %s' "${titles[$proof]}" "$name")") outcome=FAILED failed=1; }
    done
}

all=stages
[[ ${1-} == --long ]] && { all=long_stages && reports+=/long && mkdir -p "$reports" && shift; }
known=$(declare -f "$all" | sed -n 's/^ *stage \([a-z]*\) .*/\1/p')
[[ ${1-} == --list ]] && { echo $known; exit; }
only=("$@")
for name in "$@"; do
    grep -qx -- "$name" <<<"$known" || fail "there is no stage $name; the stages are: $(echo $known)"
done
"$all"

say "Stages"
for i in "${!names[@]}"; do printf '%-10s  %s\n' "${names[i]}" "${outcomes[i]}"; done
((${#closing[@]})) && printf '%s\n' "" "${closing[@]}"
((${#figures[@]})) && { say "Proofs" && printf '%s\n' "${figures[@]}"; }
exit "$failed"
