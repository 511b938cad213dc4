#!/bin/sh
# self-test.sh - tests a board's disks, memory and network, and tells what it is made
# of. What is installed stays as it was: disks are read, and written only to put the
# same bytes back. Second stage.
#
# Events: self_test_running, then self_test_ok or failed_self_test {"reason": "…"}.
# Facts go to the log, a line each: `fact KEY=VALUE`. Afterwards the board stays up
# and answers ping, until the server does something with it.
#
# Boot config (all optional): min_disk_mib (1), min_memory_mib (32), min_link_mbit (0).

export MOZPOOL_TAG=self-test
# shellcheck source=lib.sh
. "${MOZPOOL_LIB:-/tmp/mozpool-lib.sh}"
work=$MOZPOOL_TMP/mozpool-test
mkdir -p "$work"

event self_test_running

failures=''
# text FILE: a line of sysfs or the device tree, without its NULs; nothing if there is none.
text() { [ ! -r "$1" ] || tr -d '\000' <"$1" | sed 's/^ *//; s/ *$//'; }
fact() { log "fact $1=$2"; }
bad() {
    log "failed: $1"
    failures="$failures${failures:+; }$1"
}
ok() { log "$1: ok"; }

# Limits come from the boot config where there is one; a self-test needs none.
limit() { json_get "$work/config" "$1" 2>/dev/null || echo "$2"; }
fetch "http://$MOZPOOL_SERVER/api/device/$MOZPOOL_DEVICE/bootconfig/" "$work/config" || echo '{}' >"$work/config"

# ---- what it is ----
describe() {
    fact kernel "$(uname -r)"
    fact processor "$(sed -n 's/^\(model name\|Hardware\|Processor\)[[:blank:]]*: //p' /proc/cpuinfo | head -n 1)"
    fact processors "$(grep -c ^processor /proc/cpuinfo)"
    for name in sys_vendor product_name product_serial product_uuid board_name board_serial bios_version; do
        value=$(text "/sys/class/dmi/id/$name")
        [ -z "$value" ] || fact "$name" "$value"
    done
    for name in model serial-number; do
        value=$(text "/proc/device-tree/$name")
        [ -z "$value" ] || fact "$name" "$value"
    done
}

# ---- network ----
test_network() {
    wired=0
    want=$(limit min_link_mbit 0)
    for dir in /sys/class/net/*; do
        [ "$(cat "$dir/type" 2>/dev/null)" = 1 ] || continue
        name=${dir##*/}
        wired=$((wired + 1))
        # A link that is down, or a driver without the call, makes this unreadable or -1.
        speed=$(cat "$dir/speed" 2>/dev/null)
        fact "mac_$name" "$(cat "$dir/address")"
        fact "link_$name" "${speed:-unknown} Mbit/s $(cat "$dir/operstate")"
        if [ "${speed:--1}" -gt 0 ] && [ "$speed" -lt "$want" ]; then bad "link of $name: $speed Mbit/s, wanted $want"; fi
        errors=$(($(cat "$dir/statistics/rx_errors") + $(cat "$dir/statistics/tx_errors")))
        [ "$errors" -lt 10 ] || bad "link of $name: $errors transmission errors"
    done
    if [ "$wired" -gt 0 ]; then ok "network ($wired interfaces)"; else bad "no network interface"; fi
}

# ---- memory: its size, and a pattern in an eighth of what is free, 64 MiB at most ----
test_memory() {
    total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    free=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    fact memory_kib "$total"
    [ $((total / 1024)) -ge "$(limit min_memory_mib 32)" ] || bad "memory: $((total / 1024)) MiB, wanted $(limit min_memory_mib 32)"
    size=$((free / 1024 / 8))
    [ "$size" -le 64 ] || size=64
    [ "$size" -ge 1 ] || size=1
    mkdir -p "$work/memory"
    mount -t tmpfs -o size=$((size + 1))m tmpfs "$work/memory" || {
        bad "memory: no tmpfs"
        return
    }
    # Random bytes twice: a stuck cell shows as a difference between the copies.
    dd if=/dev/urandom of="$work/memory/one" bs=64k count=$((size * 8)) 2>/dev/null
    wrote=$(sha256sum <"$work/memory/one")
    cp "$work/memory/one" "$work/memory/two"
    if [ "$(sha256sum <"$work/memory/two")" = "$wrote" ] && [ "$(sha256sum <"$work/memory/one")" = "$wrote" ]; then
        ok "memory (pattern in $size MiB)"
    else
        bad "memory: a pattern of $size MiB read back wrong"
    fi
    umount "$work/memory"
}

# ---- disks ----
caches=/proc/sys/vm/drop_caches
[ -w "$caches" ] || caches=/dev/null
# 4 only tells the kernel not to log each of the following.
echo 4 >"$caches"
# sum_at DISK MIB: checksum of one mebibyte, read from the disk, not from the page cache.
sum_at() {
    echo 1 >"$caches"
    dd if="$1" bs=1M skip="$2" count=1 2>"$work/dd.err" | sha256sum
}

test_disk() {
    disk=$1
    dir=/sys/block/${disk##*/}
    bytes=$(disk_size "$disk")
    mib=$((bytes / 1048576))
    fact "disk_${disk##*/}" "$bytes bytes"
    for name in device/model device/serial serial device/cid device/name device/firmware_rev; do
        value=$(text "$dir/$name")
        [ -z "$value" ] || fact "disk_${disk##*/}_${name##*/}" "$value"
    done
    fact "disk_${disk##*/}_table" "$(dd if="$disk" bs=512 count=1 2>/dev/null | sha256sum | cut -c 1-16)"
    if [ "$mib" -lt "$(limit min_disk_mib 1)" ]; then
        bad "disk $disk: $mib MiB, wanted $(limit min_disk_mib 1)"
        return
    fi
    if [ "$(cat "$dir/ro")" = 1 ]; then
        bad "disk $disk: read-only"
        return
    fi

    # Samples over the whole disk, each read twice: 32 MiB, seconds even on an SD card.
    step=$((mib / 16))
    [ "$step" -ge 1 ] || step=1
    at=0
    while [ "$at" -lt "$mib" ]; do
        first=$(sum_at "$disk" "$at")
        if grep -q 'error' "$work/dd.err"; then
            bad "disk $disk: cannot read at $at MiB: $(head -n 1 "$work/dd.err")"
            return
        fi
        if [ "$(sum_at "$disk" "$at")" != "$first" ]; then
            bad "disk $disk: two readings at $at MiB differ"
            return
        fi
        at=$((at + step))
    done

    # The last MiB: kept in memory, a pattern written, read back, the old bytes put back.
    # A partition table is at the other end; GPT's second one is within these bytes,
    # and back in its place a moment later.
    last=$((mib - 1))
    dd if="$disk" of="$work/kept" bs=1M skip="$last" count=1 2>/dev/null
    if [ "$(stat -c %s "$work/kept")" != 1048576 ]; then
        bad "disk $disk: cannot read its last MiB"
        return
    fi
    kept=$(sha256sum <"$work/kept")
    dd if=/dev/urandom of="$work/pattern" bs=1M count=1 iflag=fullblock 2>/dev/null
    wrote=$(sha256sum <"$work/pattern")
    dd if="$work/pattern" of="$disk" bs=1M seek="$last" count=1 conv=notrunc,fsync 2>"$work/dd.err"
    written=$?
    found=$(sum_at "$disk" "$last")
    dd if="$work/kept" of="$disk" bs=1M seek="$last" count=1 conv=notrunc,fsync 2>/dev/null
    if [ "$written" != 0 ]; then
        bad "disk $disk: cannot write: $(head -n 1 "$work/dd.err")"
    elif [ "$found" != "$wrote" ]; then
        bad "disk $disk: a pattern read back wrong"
    elif [ "$(sum_at "$disk" "$last")" != "$kept" ]; then
        bad "disk $disk: the old bytes read back wrong"
    else
        ok "disk $disk ($mib MiB)"
    fi
}

describe
test_network
test_memory
if first_disk 15 >/dev/null; then
    for disk in $(disks); do test_disk "$disk"; done
else
    bad "no fixed disk"
fi

if [ -z "$failures" ]; then
    event self_test_ok
else
    event failed_self_test "$(reason_json "$failures")"
fi
log "over, staying up"
while :; do sleep 3600; done
