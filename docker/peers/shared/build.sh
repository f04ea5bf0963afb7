# What the peers' build scripts have in common. Each of them reads this, defines `compile`, which
# makes $output/adapter.new, and then calls: build_peer "$@"
#
# CFLAGS: more options for gcc, for the sources here and in the peer's own folder.
# shellcheck shell=bash
set -euo pipefail

shared=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$(cd "$(dirname "$0")" && pwd)
# How these are compiled, and what: the stack's own options follow.
adapter=(-std=gnu11 -O2 -g -Wall -Wextra -I "$shared" "$shared"/*.c "$sources"/*.c)

# build_peer OUTPUT: make OUTPUT/adapter, unless it was made of the same before.
build_peer() {
    (($# == 1)) || fail "usage: build OUTPUT"
    mkdir -p "$1"
    output=$(cd "$1" && pwd)
    exec 9>"$output/.lock"
    flock 9

    local wanted
    wanted=$(cat "$shared"/*.{c,h,sh} "$sources"/*.[ch] "$sources/build" | sha256sum)
    wanted+=" ${CFLAGS-} ${BUILT_FROM-}"
    if [[ ! -x $output/adapter || ! -f $output/stamp || $(<"$output/stamp") != "$wanted" ]]; then
        compile
        mv "$output/adapter.new" "$output/adapter"
        printf '%s' "$wanted" >"$output/stamp"
    fi
    printf '%s: %s\n' "$output/adapter" "$("$output/adapter" --version)"
}

# compile_adapter OPTION...: the options are those of the stack, for gcc.
compile_adapter() {
    # shellcheck disable=SC2086  # a list of words
    gcc "${adapter[@]}" ${CFLAGS-} -o "$output/adapter.new" "$@"
}

fail() {
    printf 'build: %s\n' "$*" >&2
    exit 1
}

# need [PACKAGE PATH]...: each PATH is a file, or a command, that PACKAGE has.
need() {
    local missing=()
    while (($#)); do
        [[ -e $2 ]] || command -v "$2" >/dev/null || missing+=("$1")
        shift 2
    done
    ((${#missing[@]} == 0)) || fail "please install: apt-get install ${missing[*]}"
}

# unpack_packages FOLDER PACKAGES [APT OPTION...]: fetch Debian packages with an apt configuration
# of their own, and unpack them, without installing anything.
unpack_packages() {
    local folder=$1 packages apt=$output/apt package
    read -ra packages <<<"$2"
    shift 2
    local private=(-q -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache"
        -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=20
        -o APT::Sandbox::User=root "$@")
    rm -rf "$apt/"{lists,cache,packages} "$folder" "$folder.new"
    mkdir -p "$apt/"{lists,cache/archives}/partial "$apt/packages" "$folder.new"
    apt-get "${private[@]}" update >"$output/apt.log" 2>&1 || return
    (cd "$apt/packages" && apt-get "${private[@]}" download "${packages[@]}") \
        >>"$output/apt.log" 2>&1 || return
    for package in "$apt/packages/"*.deb; do
        dpkg-deb -x "$package" "$folder.new" || return
    done
    mv "$folder.new" "$folder"
    rm -rf "$apt" # the lists may be large
}
