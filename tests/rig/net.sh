#!/bin/sh
# net.sh - the network of one test run: two namespaces, a bridge with a tap per
# board, and dnsmasq for DHCP only. It knows nothing of our daemon, which the test
# starts in the server's namespace by itself.
#
#   net.sh up ID [BOARDS]   needs root; BOARDS (1) boards, addresses below
#   net.sh down ID          ends every process in the namespaces, removes all
#
# Environment:
#   RIG_DIR     the run's directory (needed). Gets: env (the names below, to be
#               sourced), boards (a line each: BANK RELAY NAME MAC ADDRESS TAP),
#               dnsmasq.log, and what board.sh keeps.
#   RIG_OWNER   pid of the test (optional): when it is gone, however it ended, the
#               rig takes itself down.
#   RIG_TFTP    a directory (optional): dnsmasq serves it by TFTP too; for trying
#               the rig without our daemon.
#   RIG_LINK    options of lossy-link (optional), such as "--loss 2 --seed 7": the
#               cable between the boards and our daemon is that bad from the start.
#               What it did is in link.json, what it says in link.log.
#
#   namespace mpID-srv   eth0 10.9.0.1      our daemon: HTTP, TFTP, syslog
#   namespace mpID-lab   br0  10.9.0.2      dnsmasq, the boards' QEMUs, taps
#   namespace mpID-wire  (with RIG_LINK)    the bad cable between the two
#   board N              10.9.0.(100+N)     MAC 52:54:00:09:00:NN, bank 1+(N-1)/8, relay 1+(N-1)%8
#
# The addresses are the same in every run: namespaces do not see each other.

set -eu
usage() {
    echo "usage: RIG_DIR=DIR net.sh up ID [BOARDS] | down ID" >&2
    exit 2
}
[ $# -ge 2 ] || usage
[ -n "${RIG_DIR:-}" ] || usage
id=$2
case $id in *[!a-z0-9]* | ?????????*) echo "net.sh: ID is up to 8 of a-z and 0-9, for interface names have 15 characters" >&2 && exit 2 ;; esac
srv=mp$id-srv
lab=mp$id-lab
wire=mp$id-wire
PATH=$PATH:/sbin:/usr/sbin

down() {
    if [ -e "$RIG_DIR/watcher.pid" ]; then
        read -r watcher <"$RIG_DIR/watcher.pid"
        rm -f "$RIG_DIR/watcher.pid"
        # The watcher itself calls us when the owner is gone.
        [ "$watcher" = "${RIG_WATCHER:-}" ] || kill -9 "$watcher" 2>/dev/null || :
    fi
    for ns in "$lab" "$srv" "$wire"; do
        [ -e "/run/netns/$ns" ] || continue
        # Everything in the namespace is ours: nothing else can have entered it.
        tries=0
        while [ "$tries" -lt 50 ]; do
            pids=$(ip netns pids "$ns" 2>/dev/null || :)
            [ -n "$pids" ] || break
            # shellcheck disable=SC2086 # one pid a word
            kill -9 $pids 2>/dev/null || :
            tries=$((tries + 1))
            sleep 0.1
        done
        [ -z "$pids" ] || echo "net.sh: still in $ns: $pids" >&2
        ip netns del "$ns"
    done
}

# wait_for WORDS LOG PROGRAM: until a program says that it is there.
wait_for() {
    tries=0
    until grep -qs "$1" "$2"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 50 ]; then
            echo "net.sh: $3 did not start:" >&2
            cat "$2" >&2
            exit 1
        fi
        sleep 0.1
    done
}

up() {
    boards=${1:-1}
    for need in ip:iproute2 dnsmasq:dnsmasq-base; do
        command -v "${need%%:*}" >/dev/null || {
            echo "net.sh: missing tool ${need%%:*}: install the Debian package ${need#*:}" >&2
            exit 1
        }
    done
    if [ -e "/run/netns/$srv" ] || [ -e "/run/netns/$lab" ] || [ -e "/run/netns/$wire" ]; then
        echo "net.sh: run $id is up already; take it down first" >&2
        exit 1
    fi
    mkdir -p "$RIG_DIR"
    # What an earlier run has said is not what this one waits for.
    rm -f "$RIG_DIR/dnsmasq.log" "$RIG_DIR/link.log"
    begun=1
    trap '[ -z "$begun" ] || down' EXIT
    ip netns add "$srv"
    ip netns add "$lab"
    for ns in "$srv" "$lab"; do ip -n "$ns" link set lo up; done
    ip -n "$lab" link add br0 type bridge
    ip -n "$lab" addr add 10.9.0.2/24 dev br0
    # For the router advertisements below; nodad, or dnsmasq would wait for it.
    ip -n "$lab" addr add fd00:9::2/64 dev br0 nodad
    if [ -z "${RIG_LINK:-}" ]; then
        ip -n "$lab" link add lan0 type veth peer name eth0 netns "$srv"
    else
        # br0 - lan0 = lan1 - lossy-link - wan1 = eth0. The cable has a namespace of its own, without
        # addresses: in the lab's, the kernel would answer for 10.9.0.2 at wan1 and spare frames the way.
        ip netns add "$wire"
        ip -n "$lab" link add lan0 type veth peer name lan1 netns "$wire"
        ip -n "$srv" link add eth0 type veth peer name wan1 netns "$wire"
        for end in lan1 wan1; do
            # It carries frames and has no voice of its own.
            ip -n "$wire" link set "$end" addrgenmode none
            ip -n "$wire" link set "$end" up
        done
        # The kernel cuts giant frames up before they reach the link.
        ip -n "$lab" link set lan0 gso_max_segs 1
        ip -n "$srv" link set eth0 gso_max_segs 1
    fi
    ip -n "$lab" link set lan0 master br0 up
    ip -n "$lab" link set br0 up
    ip -n "$srv" addr add 10.9.0.1/24 dev eth0
    ip -n "$srv" link set eth0 up

    if [ -n "${RIG_LINK:-}" ]; then
        # shellcheck disable=SC2086 # one option a word
        setsid ip netns exec "$wire" "${0%/*}/lossy-link" lan1 wan1 --report "$RIG_DIR/link.json" $RIG_LINK \
            </dev/null >"$RIG_DIR/link.log" 2>&1 &
        wait_for 'carrying between' "$RIG_DIR/link.log" lossy-link
    fi

    : >"$RIG_DIR/boards"
    : >"$RIG_DIR/dhcp-hosts"
    n=1
    while [ "$n" -le "$boards" ]; do
        mac=$(printf '52:54:00:09:00:%02x' "$n")
        ip -n "$lab" tuntap add "tap$n" mode tap
        ip -n "$lab" link set "tap$n" master br0 up
        echo "$((1 + (n - 1) / 8)) $((1 + (n - 1) % 8)) board-$n $mac 10.9.0.$((100 + n)) tap$n" >>"$RIG_DIR/boards"
        echo "$mac,10.9.0.$((100 + n)),board-$n" >>"$RIG_DIR/dhcp-hosts"
        n=$((n + 1))
    done
    cat >"$RIG_DIR/env" <<END
RIG_DIR=$RIG_DIR
RIG_ID=$id
RIG_SRV=$srv
RIG_LAB=$lab
RIG_SERVER=10.9.0.1
END

    # Router advertisements spare iPXE its wait for an IPv6 router (13 s), option 175
    # with 176=1 that for a proxy DHCP server (3 s): without them on every boot.
    set -- --no-daemon --conf-file=/dev/null --port=0 --interface=br0 --bind-interfaces \
        --dhcp-range=10.9.0.0,static,255.255.255.0,1h --enable-ra --dhcp-range=fd00:9::,ra-only,64 --dhcp-hostsfile="$RIG_DIR/dhcp-hosts" \
        --dhcp-leasefile="$RIG_DIR/leases" --dhcp-option=3 --dhcp-option=encap:175,176,1b --user=root
    if [ -n "${RIG_TFTP:-}" ]; then
        set -- "$@" --enable-tftp --tftp-root="$RIG_TFTP" --dhcp-boot=pxelinux.0,,10.9.0.2
    else
        set -- "$@" --dhcp-boot=pxelinux.0,,10.9.0.1
    fi
    # setsid: a signal to the test's process group must not end it before its time.
    setsid ip netns exec "$lab" dnsmasq "$@" </dev/null >"$RIG_DIR/dnsmasq.log" 2>&1 &
    wait_for 'DHCP, ' "$RIG_DIR/dnsmasq.log" dnsmasq
    if [ -n "${RIG_OWNER:-}" ]; then
        # shellcheck disable=SC2016 # expanded by the inner shell
        setsid sh -c '
            echo $$ >"$RIG_DIR/watcher.pid"
            while [ -d "/proc/$RIG_OWNER" ]; do sleep 1; done
            RIG_WATCHER=$$ exec "$0" down "$1"' "$0" "$id" </dev/null >/dev/null 2>&1 &
    fi
    begun=''
}

case $1 in
up) up "${3:-1}" ;;
down) down ;;
*) usage ;;
esac
