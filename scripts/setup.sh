#!/usr/bin/env bash
# Brings a machine with Rust and Python from a fresh clone to a built ccbs; does nothing twice.
#
#   scripts/setup.sh [GROUP]...    the steps and Debian packages of `build`, and the Debian packages of each GROUP of apt-packages.txt
#
# PYTHON names the interpreter for the virtual environment; VENV its directory (.venv).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

VENV=${VENV:-.venv}
STAMPS=$VENV/stamps
groups=(build "$@")

# A step is done when the hash of what it depends on is the one it was done for.
done_for() { [[ -f $STAMPS/$1 && $(<"$STAMPS/$1") == "$2" ]]; }
mark() { mkdir -p "$STAMPS" && printf '%s' "$2" >"$STAMPS/$1"; }

debian_packages() {
    local group package missing=()
    while read -r group package _; do
        [[ " ${groups[*]} " == *" $group "* ]] || continue
        [[ $package == python3-venv ]] && can_make_venv && continue
        installed "$package" || missing+=("$package")
    done < <(grep -v '^#' scripts/apt-packages.txt)
    ((${#missing[@]})) || return 0
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        {
            echo "These Debian packages are missing, and only root can install them:"
            for package in "${missing[@]}"; do
                printf '    %-20s %s\n' "$package" "$(awk -v p="$package" '$2 == p { $1 = $2 = ""; sub(/^ +/, ""); print }' scripts/apt-packages.txt)"
            done
            echo "Install them, then run the same command again:"
            echo "    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
        } >&2
        exit 2
    fi
    say "Installing Debian packages: ${missing[*]}"
    local install=(apt-get install --yes --no-install-recommends "${missing[@]}")
    export DEBIAN_FRONTEND=noninteractive
    if ! apt-get install --simulate --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || ! "${install[@]}"; then
        apt-get update
        "${install[@]}"
    fi
}

installed() { [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

can_make_venv() { [[ -x $VENV/bin/python ]] || { python=$(interpreter) && "$python" -c 'import ensurepip, venv' 2>/dev/null; }; }

interpreter() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        command -v "$candidate" >/dev/null || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        command -v "$candidate"
        return
    done
    return 1
}

rust() {
    local wanted have tool
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "Rust is missing: install Rust $wanted or newer (rustup: https://rustup.rs), then run this again."
    have=$(rustc --version | awk '{ print $2 }')
    [[ $(printf '%s\n%s\n' "$wanted" "${have%%-*}" | sort -V | head -1) == "$wanted" ]] ||
        fail "Rust $have is too old: $wanted or newer is needed. With rustup: rustup update stable"
    for tool in rustfmt clippy; do
        cargo "${tool/rust/}" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null ||
            fail "cargo ${tool/rust/} is missing, and there is no rustup to add it: install $tool for Rust $have."
        say "Adding $tool to the Rust toolchain"
        rustup component add "$tool"
    done
}

virtual_environment() {
    local python inputs
    if [[ ! -x $VENV/bin/python ]]; then
        python=$(interpreter) || fail "Python 3.11 or newer is missing: install it, or name it by PYTHON=/path/to/python."
        say "Making the virtual environment $VENV with $("$python" --version)"
        "$python" -m venv "$VENV"
    fi
    inputs=$(sed -n '/^dependencies/,/^]/p; /^dev = \[/,/^]/p' pyproject.toml | sha256sum)
    done_for python-packages "$inputs" && return
    say "Installing Python packages into $VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
    "$VENV/bin/python" - pyproject.toml <<'PY' | xargs -d '\n' "$VENV/bin/python" -m pip install --disable-pip-version-check --progress-bar on --group dev
import sys, tomllib
print(*tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"], sep="\n")
PY
    mark python-packages "$inputs"
}

extension() {
    local inputs
    inputs=$({
        rustc --version
        "$VENV/bin/python" --version
        find Cargo.toml Cargo.lock pyproject.toml timers engine driver story simulate sip bindings -type f \
            \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' \) -print0 | sort -z | xargs -0 sha256sum
    } | sha256sum)
    done_for extension "$inputs" && compgen -G 'python/ccbs/_ccbs*.so' >/dev/null && return
    say "Building the Rust part, release mode (some minutes the first time)"
    VIRTUAL_ENV=$(realpath "$VENV") "$VENV/bin/maturin" develop --release --locked --manifest-path bindings/Cargo.toml
    mark extension "$inputs"
}

debian_packages
rust
virtual_environment
extension
