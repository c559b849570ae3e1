# Sourced: what the scripts say to a person.
say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}
