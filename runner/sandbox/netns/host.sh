#!/bin/sh
# One host of a sandbox: its file system, and the process that keeps its namespaces alive.
#
#   host.sh build KIND ROOT NAME HOSTS WWW CERTS LOGS DOWNLOADS_OPTIONS LOGS_OPTIONS TMP_OPTIONS
#   host.sh enter KIND ROOT NAME OUTER_PID
#   host.sh expose ROOT PATH...
#
# The runner starts `build` as PID 1 of new namespaces, with its pipe as standard input. `build`
# assembles the host's file system at ROOT and goes on as `enter`, which moves into it, prints
# "ready OUTER_PID" and waits for the end of the pipe. That comes when the runner closes it or dies,
# and then the kernel kills everything in the PID namespace.
#
# There are two mount namespaces. The outer one, which only the waiting unshare(1) is in, still has
# the machine's root and, at ROOT, the host's. The inner one has the host's alone and receives
# what is mounted at ROOT later: that is how `expose` shows a folder of the machine on the host.
#
# KIND is `contained` for the two sides and `open` for the sim. Nothing is ever made on the
# machine's own root, and all words come as arguments. Mounts are collected in a table in the form
# of fstab(5), since one mount(8) for each of them would take most of a host's time.
set -eu

table='' newline='
'

fail() {
    echo "$1"
    exit 1
}

# Adds a mount to the table: WHAT WHERE TYPE OPTIONS
row() {
    escape "$1"
    what=$escaped
    escape "$2"
    table="$table$what $escaped $3 $4 0 0$newline"
}

# Makes the mounts in the table; $1 is a folder that can be written to.
mount_table() {
    printf %s "$table" >"$1/.table"
    table=''
    mount -n --all --fstab "$1/.table"
    rm "$1/.table"
}

# A path, as fstab(5) and mountinfo have it, to $escaped.
escape() {
    case $1 in
    *[[:space:]\\]*) escaped=$(printf %s "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g') ;;
    *) escaped=$1 ;;
    esac
}

# The mounts at or under the folder $1 that can be written to, but for those at or under its entries
# $2 ("." is the folder itself), one "OPTIONS ESCAPED_PATH" a line.
writable() {
    escape "$1"
    while read -r _ _ _ _ at options _; do
        case $at in "$escaped" | "$escaped"/*) ;; *) continue ;; esac
        below=${at#"$escaped"} below=${below#/} below=${below:-.}
        case " $2 " in *" ${below%%/*} "*) continue ;; esac
        case $options in rw*) echo "${options%,idmapped} $at" ;; esac
    done </proc/self/mountinfo
}

# Makes all these read-only and deaf to device files; $3 is a folder that can be written to. The
# other flags of a mount are repeated, since a user namespace is not allowed to drop them.
read_only() {
    table=$(writable "$1" "$2" | while read -r options at; do
        echo "none $at none remount,bind,ro,nodev${options#rw} 0 0"
    done)$newline
    mount_table "$3" 2>/dev/null || true # what is still writable is seen below
    writable "$1" "$2" | while read -r options at; do
        case $at in *\\*) at=$(printf %b "$(printf %s "$at" | sed 's/\\/\\0/g')") ;; esac
        # A mount that another one covers cannot be reached, neither by us nor by anyone else.
        mount -n -o "remount,bind,ro,nodev${options#rw}" "$at" 2>/dev/null ||
            ! mountpoint -q "$at" || fail "cannot make $at read-only"
    done
}

# Rows for the machine's top-level entries, but for those that the host has of its own: $1.
machine() {
    own=" $1 "
    set --
    for entry in /* /.[!.]*; do
        case $own in *" ${entry#/} "*) continue ;; esac
        if [ -d "$entry" ] && [ ! -L "$entry" ]; then
            set -- "$@" "$root$entry"
        fi
    done
    mkdir "$@"
    set --
    for entry in /* /.[!.]*; do
        case $own in *" ${entry#/} "*) continue ;; esac
        if [ -L "$entry" ]; then
            set -- "$@" "$entry"
        elif [ -d "$entry" ]; then
            row "$entry" "$root$entry" none rbind
        elif [ -f "$entry" ]; then
            : >"$root$entry"
            row "$entry" "$root$entry" none bind
        fi
    done
    [ $# = 0 ] || cp -P "$@" "$root"
}

build_contained() {
    mkdir proc sys dev dev/shm run tmp www certs downloads logs
    machine 'proc sys dev run tmp www certs downloads logs'
    [ -z "$www" ] || row "$www" "$root/www" none rbind
    row "$certs" "$root/certs" none rbind
    row proc "$root/proc" proc nosuid,nodev,noexec
    for device in null zero full random urandom tty; do
        : >dev/$device
        row /dev/$device "$root/dev/$device" none bind
    done
    cp -P /dev/fd /dev/stdin /dev/stdout /dev/stderr dev
    row shm "$root/dev/shm" tmpfs "mode=1777,nosuid,nodev,$tmp_options"
    row tmp "$root/tmp" tmpfs "mode=1777,nosuid,nodev,$tmp_options"
    row downloads "$root/downloads" tmpfs "mode=777,nosuid,nodev,$downloads_options"
    row logs "$root/logs" tmpfs "mode=777,nosuid,nodev,$logs_options"
    # /run has the sockets of the machine's daemons, which a read-only mount would not keep anyone
    # from talking to. Only the links in it are here: NixOS finds all its programs through one.
    row run "$root/run" tmpfs mode=755,size=1m,nr_inodes=1k,nosuid,nodev
    mount_table .
    read_only "$root" '. proc dev run tmp downloads logs' tmp

    mkdir -m 777 logs/qlog
    set --
    for entry in /run/*; do
        [ ! -L "$entry" ] || set -- "$@" "$entry"
    done
    [ $# = 0 ] || cp -P "$@" run
    printf %s "$hosts" >run/.hosts
}

build_open() {
    mkdir proc sys logs
    machine 'proc sys logs'
    row "$logs" "$root/logs" none rbind
    row proc "$root/proc" proc nosuid,nodev,noexec
    mount_table .
}

# The network's own settings: silent about everything that nobody asked it for.
quiet_network() {
    cd proc/sys/net/ipv4
    echo 0 >ip_forward
    for scope in conf/all conf/default; do
        for setting in forwarding send_redirects accept_redirects rp_filter; do
            echo 0 >$scope/$setting
        done
    done
    [ -d ../ipv6 ] || fail 'this kernel has no IPv6'
    cd ../ipv6
    for scope in conf/all conf/default; do
        for setting in disable_ipv6 forwarding accept_ra router_solicitations accept_dad \
            dad_transmits; do
            echo 0 >$scope/$setting
        done
    done
    cd "$root"
}

build() {
    kind=$1 root=$2 name=$3 hosts=$4 www=$5 certs=$6 logs=$7
    downloads_options=$8 logs_options=$9 tmp_options=${10}
    read -r outer_pid _ </proc/self/stat # this /proc still counts as the runner does

    # Unbindable, or binding the folder that it lies in would recurse.
    mount -n -t tmpfs --make-unbindable -o mode=755,size=4m,nosuid root "$root"
    cd "$root"
    "build_$kind"
    # The machine's /sys would show the machine's interfaces. Where part of it is hidden from us, as
    # in containers, a new one is not allowed; a copy must do.
    mount -n -t sysfs -o ro,nosuid,nodev,noexec sysfs sys 2>/dev/null ||
        { mount -n --rbind /sys sys && read_only "$root/sys" '' tmp; }
    quiet_network

    mount -n --make-rshared "$root"
    exec unshare --mount --propagation slave sh "$0" enter "$kind" "$root" "$name" "$outer_pid"
}

enter() {
    kind=$1 root=$2 name=$3 outer_pid=$4
    cd "$root"
    pivot_root . tmp
    cd /
    umount -n -l /tmp # the machine's root; our own /tmp reappears
    # In a user namespace only the system call is allowed. A host does without its name, if need be.
    { echo "$name" >/proc/sys/kernel/hostname || hostname "$name"; } 2>/dev/null || true
    if [ "$kind" = contained ]; then
        if [ -f /etc/hosts ] && [ ! -L /etc/hosts ]; then
            row /run/.hosts /etc/hosts none bind,ro,nosuid,nodev
        else # nothing can be made in a read-only /etc, but something can be laid over it
            mkdir /run/.etc
            cp /run/.hosts /run/.etc/hosts
            row hosts /etc overlay ro,nosuid,nodev,lowerdir=/run/.etc:/etc
        fi
        for entry in sys sysrq-trigger irq bus fs; do # some have effects beyond the host
            [ ! -e /proc/$entry ] ||
                row /proc/$entry /proc/$entry none bind,ro,nosuid,nodev,noexec
        done
        mount_table /tmp
        rm /run/.hosts
        mount -n -o remount,bind,ro,nosuid /
    fi
    echo "ready $outer_pid"
    # With SIGCHLD ignored, the kernel reaps orphans by itself. A shell cannot pass that on; where
    # env cannot either, dead orphans count among the processes of the host until it ends.
    if env --ignore-signal=CHLD true 2>/dev/null; then
        exec env --ignore-signal=CHLD cat >/dev/null
    fi
    exec cat >/dev/null
}

# Runs in the outer mount namespace. What is at ROOT was perhaps made by an untrusted program, so
# links are resolved only inside ROOT, and a path that goes through one is refused.
expose() {
    root=$1
    shift
    for path in "$@"; do
        stage=$root.stage
        if [ -d "$path" ]; then
            chroot "$root" mkdir -p -- "$path"
            mkdir "$stage"
        else
            chroot "$root" mkdir -p -- "${path%/*}"
            chroot "$root" touch -- "$path"
            : >"$stage"
        fi
        [ "$(realpath -- "$root$path")" = "$root$path" ] || fail "$path: leads somewhere else"
        # Without what is mounted below, as that may be ROOT itself; but a user namespace must not
        # uncover what other mounts hide.
        mount -n --bind "$path" "$stage" 2>/dev/null || mount -n --rbind "$path" "$stage"
        # Flags of a mount are not passed on when they change, so it has to be read-only before.
        read_only "$stage" '' "$root/tmp"
        mount -n --rbind "$stage" "$root$path"
        umount -n -l "$stage"
        rm -r "$stage"
    done
}

"$@"
