# Sourced: cargo's own tools, of a pinned version, in .cache/tools and not among the user's.
cargo_tool() {
    local name=$1 version=$2 root
    root=$PWD/.cache/tools
    PATH=$root/bin:$PATH
    [[ $(cargo "${name#cargo-}" --version 2>/dev/null) == *" $version"* ]] && return
    say "Installing $name $version into .cache/tools"
    # Without optimisation: the tool itself costs nothing, its compilation would.
    cargo install --quiet --locked --debug --root "$root" "$name@$version"
}
