#!/bin/sh
# board.sh - the power of one board of the rig: starts its QEMU or kills it.
# For a fake relay board that runs a command on every change. It knows no network
# (net.sh made it) and nothing of what the board boots. Boards start powered off.
#
#   board.sh BANK RELAY on|off     "on" is power on, whatever the relay's wiring
#
# Environment:
#   RIG_DIR    the directory that net.sh filled (needed). Per board NAME:
#              NAME.disk    its disk: made here, empty, if missing
#              NAME.serial  everything it ever wrote to its serial port
#              NAME.pid     QEMU's pid while it has power
#   RIG_BOARD     pc: BIOS, iPXE, PXELINUX; uboot: arm64 with U-Boot in its flash (pc)
#   RIG_DISK_MIB  size of a new disk (64)
#   RIG_MEM_MIB   memory (512)
#
# "off" is what a relay does: at once and complete. It returns when QEMU is gone.

set -eu
if [ $# != 3 ] || [ -z "${RIG_DIR:-}" ]; then
    echo "usage: RIG_DIR=DIR board.sh BANK RELAY on|off" >&2
    exit 2
fi
PATH=$PATH:/sbin:/usr/sbin
# shellcheck source=/dev/null
. "$RIG_DIR/env"
board=$(awk -v b="$1" -v r="$2" '$1 == b && $2 == r { print $3, $4, $6 }' "$RIG_DIR/boards")
if [ -z "$board" ]; then
    # An unused relay: real relay boards click without anything attached, too.
    exit 0
fi
read -r name mac tap <<END
$board
END
pidfile=$RIG_DIR/$name.pid

# One change at a time per board, in the order of the relay's clicks.
exec 9>"$RIG_DIR/$name.lock"
flock 9

# powered: is there a QEMU of ours? A pid alone may have been given to someone else.
powered() {
    [ -s "$pidfile" ] || return 1
    read -r pid <"$pidfile"
    [ -r "/proc/$pid/cmdline" ] || return 1
    [ "$(tr '\000' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -cxF "$pidfile")" = 1 ]
}

case $3 in
on)
    powered && exit 0
    disk=$RIG_DIR/$name.disk
    [ -e "$disk" ] || truncate -s "${RIG_DISK_MIB:-64}M" "$disk"
    rm -f "$pidfile"
    # cache=unsafe: the disk outlives QEMU in the host's page cache, no test needs more.
    set -- -name "$name" -daemonize -pidfile "$pidfile" -accel tcg -m "${RIG_MEM_MIB:-512}" -nodefaults -display none \
        -chardev "file,id=serial,path=$RIG_DIR/$name.serial,append=on" -serial chardev:serial \
        -netdev "tap,id=net,ifname=$tap,script=no,downscript=no" \
        -drive "file=$disk,if=none,id=disk,format=raw,cache=unsafe" \
        -device virtio-rng-pci
    case ${RIG_BOARD:-pc} in
    pc)
        qemu=qemu-system-x86_64 packages='qemu-system-x86 and ipxe-qemu'
        set -- "$@" -device "virtio-net-pci,netdev=net,mac=$mac,bootindex=1" -device virtio-blk-pci,drive=disk,bootindex=2
        ;;
    uboot)
        qemu=qemu-system-aarch64 packages='qemu-system-arm and u-boot-qemu'
        # disable-legacy: U-Boot 2023.01 misreads the MAC of a transitional device.
        set -- "$@" -M virt -cpu cortex-a53 -bios /usr/lib/u-boot/qemu_arm64/u-boot.bin \
            -device "virtio-net-pci,disable-legacy=on,romfile=,netdev=net,mac=$mac" \
            -device virtio-blk-pci,disable-legacy=on,drive=disk
        ;;
    *)
        echo "board.sh: RIG_BOARD is pc or uboot, not $RIG_BOARD" >&2
        exit 2
        ;;
    esac
    command -v "$qemu" >/dev/null || {
        echo "board.sh: missing tool $qemu: install the Debian packages $packages" >&2
        exit 1
    }
    # 9>&-: the lock must not live on in QEMU.
    setsid ip netns exec "$RIG_LAB" "$qemu" "$@" 9>&- </dev/null >>"$RIG_DIR/$name.qemu" 2>&1 || {
        echo "board.sh: QEMU for $name did not start:" >&2
        tail -n 5 "$RIG_DIR/$name.qemu" >&2
        exit 1
    }
    ;;
off)
    powered || exit 0
    kill -9 "$pid" 2>/dev/null || :
    tries=0
    while powered; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            echo "board.sh: $name (pid $pid) does not die" >&2
            exit 1
        fi
        sleep 0.05
    done
    rm -f "$pidfile"
    ;;
*)
    echo "board.sh: on or off, not $3" >&2
    exit 2
    ;;
esac
