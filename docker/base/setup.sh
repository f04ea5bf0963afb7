#!/bin/bash
# Prepares an endpoint's network, as quic-interop-runner's base image does under this name: an entry
# script calls it first. Safe to call again, and where all of this is done already. It never fails:
# what cannot be done is said, and whether it matters shows in the packets.
#
# The link is eth0; the middlebox is .2 on it, and ::2. Everything goes there, even what seems to be
# on the link itself.

main() {
    echo "Setting up routes..."
    # The middlebox takes what is sent as it is, so checksums must be right already, and
    # no packet may be larger than the link's MTU.
    attempt ethtool -K eth0 tx off
    route_through 4 193.167.0.0/16
    route_through 6 fd00:cafe:cafe::/48
    mkdir -p /logs/qlog
}

# route_through FAMILY NETWORK
route_through() {
    local address prefix gateway link
    # 2: eth0 inet 193.167.0.100/24 ...
    address=$(ip -o "-$1" address show dev eth0 scope global | awk '{print $4; exit}')
    if [[ -z $address ]]; then
        echo "eth0 has no IPv$1 address"
        return
    fi
    echo "Endpoint's IPv$1 address is ${address%/*}"
    prefix=${address#*/}
    case $1 in
    4) gateway=${address%.*}.2 ;;
    6) gateway=${address%:*}:2 ;;
    esac
    attempt ip "-$1" route replace "$2" via "$gateway" dev eth0 onlink
    link=$(ip -o "-$1" route show dev eth0 proto kernel scope link | awk -v p="/$prefix" \
        'index($1, p) && $1 !~ /^fe80/ {print $1; exit}')
    [[ $1 == 4 ]] || link=$(ip -o -6 route show dev eth0 proto kernel | awk -v p="/$prefix" \
        'index($1, p) && $1 !~ /^fe80/ {print $1; exit}')
    if [[ -n $link ]]; then
        attempt ip "-$1" route del "$link" dev eth0 proto kernel
    fi
}

# Run a command; if it fails, say so and go on.
attempt() {
    "$@" >/dev/null || echo "setup.sh: failed: $*" >&2
}

main
