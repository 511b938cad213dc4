#!/bin/sh
# mobile-init.sh - the first thing of ours that runs on a board: network, syslog,
# one event, then the second stage that the kernel command line names.
# It knows nothing of images. Started by the live image's init.
#
# Kernel command line:
#   mobile-imaging-url=URL         the second stage; an IPv4 address, for a static
#                                  busybox resolves no names              (needed)
#   mozpool-device=NAME            the board's name     (else DHCP's host name)
#   mozpool-server=IP:PORT         the HTTP interface   (else that of the URL)
#   mozpool-syslog=IP:PORT         the syslog receiver  (else that host, port 514)
#   mozpool-boot=TOKEN             shown with each event: it is of this boot (lib.sh)
#   BOOTIF=01-MAC                  the interface to use (else all wired ones)
#
# Syslog goes through busybox syslogd -R: logger can only write to /dev/log and
# this busybox's nc has no UDP. The kernel's warnings go the same way.
#
# Environment (tests): MOZPOOL_CMDLINE, MOZPOOL_TMP, MOZPOOL_NO_NETWORK=1.

export MOZPOOL_TAG=mobile-init
here=$(dirname "$0")
own_lib=${MOZPOOL_LIB:-$here/lib.sh}
# shellcheck source=lib.sh
. "$own_lib"

# remain REASON: reports and stays up with whatever shell the console has; the
# server's time limit decides what happens to the board.
remain() {
    log "failed: $1"
    if [ -n "$MOZPOOL_SERVER" ] && [ -n "$MOZPOOL_DEVICE" ]; then
        event "${2:-mobile_init_failed}" "$(reason_json "$1")"
    fi
    exit 1
}

# wired_interfaces: the one PXE booted from, or every Ethernet interface.
wired_interfaces() {
    wi_boot=$(kernel_arg BOOTIF | cut -c 4- | tr 'A-F-' 'a-f:')
    wi_all=
    for wi_dir in /sys/class/net/*; do
        [ "$(cat "$wi_dir/type" 2>/dev/null)" = 1 ] || continue
        wi_name=${wi_dir##*/}
        if [ -n "$wi_boot" ] && [ "$(cat "$wi_dir/address")" = "$wi_boot" ]; then
            echo "$wi_name"
            return
        fi
        wi_all="$wi_all $wi_name"
    done
    echo "$wi_all"
}

# bring_up_network: until a lease is there; a switch port may take a minute after
# power-on (spanning tree), a DHCP server may be down. The server's time limit ends it.
bring_up_network() {
    bn_wait=1
    bn_tries=0
    while :; do
        bn_tries=$((bn_tries + 1))
        for bn_if in $(wired_interfaces); do
            ip link set "$bn_if" up
            bn_name=$(kernel_arg mozpool-device)
            if udhcpc -i "$bn_if" -n -q -t 5 -T 1 -s "$here/udhcpc-script" ${bn_name:+-x "hostname:$bn_name"} >/dev/null 2>&1; then
                log "network: $bn_if $(ip -4 addr show dev "$bn_if" | sed -n 's/^ *inet \([^ ]*\).*/\1/p')"
                return 0
            fi
            log "no DHCP lease on $bn_if (try $bn_tries)"
        done
        [ -n "$bn_if" ] || log "no network interface (try $bn_tries)"
        sleep "$bn_wait"
        bn_wait=$((bn_wait * 2))
        [ "$bn_wait" -le 15 ] || bn_wait=15
    done
}

# forward_kernel_warnings: what the kernel says of failing disks and links. Not klogd:
# it sends 300 lines at every boot, and syslogd -l holds back nothing that goes to -R.
# A record of /dev/kmsg is "PRIORITY,NUMBER,TIME,FLAGS;text" (Linux, Documentation/ABI/testing/dev-kmsg).
# cat ends when the kernel was faster than we; then it goes on from the oldest record left.
forward_kernel_warnings() {
    while :; do
        cat /dev/kmsg 2>/dev/null
        sleep 5
    done | {
        fk_last=-1
        while IFS=, read -r fk_level fk_number fk_rest; do
            case $fk_level in [0-4]) ;; *) continue ;; esac
            [ "$fk_number" -gt "$fk_last" ] || continue
            fk_last=$fk_number
            logger -p "kern.$fk_level" -t kernel -- "${fk_rest#*;}"
        done
    }
}

[ -n "$MOZPOOL_NO_NETWORK" ] || bring_up_network

url=$(kernel_arg mobile-imaging-url) || remain "the kernel line has no mobile-imaging-url="
authority=${url#http://}
authority=${authority%%/*}
case $authority in *:*) ;; *) authority=$authority:80 ;; esac

MOZPOOL_SERVER=$(kernel_arg mozpool-server) || MOZPOOL_SERVER=$authority
MOZPOOL_DEVICE=$(kernel_arg mozpool-device) || MOZPOOL_DEVICE=$(hostname)
syslog=$(kernel_arg mozpool-syslog) || syslog=${authority%:*}:514
MOZPOOL_BASE=${url%/*}
export MOZPOOL_SERVER MOZPOOL_DEVICE MOZPOOL_BASE MOZPOOL_BOOT MOZPOOL_TMP MOZPOOL_RETRY_S
case $MOZPOOL_DEVICE in
'' | '(none)' | localhost)
    MOZPOOL_DEVICE=
    remain "no board name: neither mozpool-device= nor a host name from DHCP"
    ;;
esac

if [ -z "$MOZPOOL_NO_NETWORK" ]; then
    hostname "$MOZPOOL_DEVICE"
    syslogd -R "$syslog"
    # /dev/log is made by the daemon after it has detached: a tenth of a second at most.
    tries=0
    while [ ! -S /dev/log ] && [ "$tries" -lt 10 ]; do
        usleep 100000
        tries=$((tries + 1))
    done
fi
[ -n "$MOZPOOL_NO_NETWORK" ] || forward_kernel_warnings &
log "board $MOZPOOL_DEVICE, server $MOZPOOL_SERVER, second stage $url"

event mobile_init_started

# The library of the server's release replaces ours; without it ours will do.
MOZPOOL_LIB=$MOZPOOL_TMP/mozpool-lib.sh
if fetch "$MOZPOOL_BASE/lib.sh" "$MOZPOOL_LIB" && head -n 1 "$MOZPOOL_LIB" | grep -q '^# shellcheck shell=sh'; then
    :
else
    log "no library at $MOZPOOL_BASE/lib.sh (${fetch_error:-not a library}), using the live image's"
    cp "$own_lib" "$MOZPOOL_LIB"
fi
export MOZPOOL_LIB

stage=$MOZPOOL_TMP/mozpool-second-stage
fetch "$url" "$stage" || remain "cannot fetch the second stage $url: $fetch_error"
case $(head -c 2 "$stage") in
'#!') ;;
*) remain "the second stage $url is not a script: it begins with $(head -c 20 "$stage" | tr -cd ' -~')" ;;
esac

rm -f "$MOZPOOL_TMP/mozpool-reason"
sh "$stage"
status=$?
log "second stage ended with status $status"
# 3: the second stage has told the server by itself (fail in lib.sh).
[ "$status" != 3 ] || exit 1
[ "$status" = 0 ] || remain "second stage ${url##*/} ended with status $status: $(cat "$MOZPOOL_TMP/mozpool-reason" 2>/dev/null)" second_stage_failed
