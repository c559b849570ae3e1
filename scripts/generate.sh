#!/usr/bin/env bash
# Rewrites the files that are made from others, or, with --check, says which are out of date (exit code 1).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

bin=${VENV:-.venv}/bin
# Of the whole workspace, so that this build is the tests' build.
cargo build --quiet --release --locked --workspace --examples
life_diagram=${CARGO_TARGET_DIR:-target}/release/examples/life_diagram

case ${1-} in
"")
    "$bin/python" scripts/third_party.py
    "$bin/ccbs" schema >docs/ccbs.schema.json
    "$life_diagram" --write docs/engine.md
    "$bin/python" scripts/interop_table.py
    ;;
--check)
    stale=0
    "$bin/python" scripts/third_party.py --check || stale=1
    diff --unified docs/ccbs.schema.json <("$bin/ccbs" schema) || stale=1
    "$life_diagram" --check docs/engine.md || stale=1
    "$bin/python" scripts/interop_table.py --check || stale=1
    ((stale == 0)) || echo "Run 'make generate' and look at the difference." >&2
    exit "$stale"
    ;;
*) fail "usage: scripts/generate.sh [--check]" ;;
esac
