#!/bin/bash
# Waits until a TCP port accepts connections: the usage of the wait-for-it.sh that
# quic-interop-runner's base image has at this path.
usage() {
    cat >&2 <<'END'
Usage: wait-for-it.sh HOST:PORT [-s] [-t SECONDS] [-q] [-- COMMAND ARGUMENTS...]
    -h HOST, --host=HOST, -p PORT, --port=PORT    instead of HOST:PORT
    -t SECONDS, --timeout=SECONDS                 how long to wait: 15 s; 0: for ever
    -s, --strict                                  run COMMAND only if the port is open
    -q, --quiet                                   say nothing
Exits with COMMAND's status; without COMMAND with 0, or 124 if the port was not open in time.
END
    exit 1
}

main() {
    local host="" port="" timeout=15 strict=0 quiet=0 status=0
    while (($#)); do
        case $1 in
        -s | --strict) strict=1 ;;
        -q | --quiet) quiet=1 ;;
        -h) host=${2-} && shift ;;
        -p) port=${2-} && shift ;;
        -t) timeout=${2-} && shift ;;
        --host=*) host=${1#*=} ;;
        --port=*) port=${1#*=} ;;
        --timeout=*) timeout=${1#*=} ;;
        --) shift && break ;;
        *:*) host=${1%:*} port=${1##*:} ;;
        *) usage ;;
        esac
        shift || usage
    done
    [[ -n $host && $port =~ ^[0-9]+$ && $timeout =~ ^[0-9]+$ ]] || usage

    ((quiet)) || echo "wait-for-it.sh: waiting for $host:$port$( ((timeout)) && echo ", $timeout s")"
    if wait_for "$host" "$port" "$timeout"; then
        ((quiet)) || echo "wait-for-it.sh: $host:$port is open after $SECONDS s"
    else
        status=124
        ((quiet)) || echo "wait-for-it.sh: $host:$port is not open after $SECONDS s" >&2
    fi
    if (($# == 0)) || ((strict && status)); then
        exit "$status"
    fi
    exec "$@"
}

# Connect again and again; bash does it, in a process that gives up on an address without answer.
wait_for() {
    SECONDS=0
    until timeout 1 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null; do
        (($3 == 0 || SECONDS < $3)) || return
        sleep 0.1
    done
}

main "$@"
