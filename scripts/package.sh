#!/usr/bin/env bash
# Builds the wheel into dist/ and prints its path last. Expects what scripts/setup.sh makes.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf dist
VIRTUAL_ENV=$(realpath "${VENV:-.venv}") "${VENV:-.venv}/bin/maturin" build --quiet --release --locked --out dist >&2
ls dist/*.whl
