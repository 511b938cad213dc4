# shellcheck shell=sh
# lib.sh - what every script on a board shares: log lines, events, HTTP, JSON.
# It knows the server's address and the board's name, nothing of images or disks.
# Written for busybox ash 1.35 (static, so it resolves no names: addresses only).
#
# The live image carries a copy beside mobile-init.sh; the server's copy, fetched
# from beside the second stage, takes its place, so that library and second stage
# always come from the same release.
#
# Environment:
#   MOZPOOL_SERVER      IP:PORT of the server's HTTP interface   (needed)
#   MOZPOOL_DEVICE      the board's name in the API              (needed)
#   MOZPOOL_BASE        URL of the directory of the second stages (needed by use)
#   MOZPOOL_BOOT        the token of this boot, which events show (the kernel line's mozpool-boot=)
#   MOZPOOL_TMP         directory for temporary files            (/tmp)
#   MOZPOOL_RETRY_S     how long a failing request is repeated   (150 s: a daemon
#                       that is restarted, upgraded or crashes is back by then)
#   MOZPOOL_REBOOT      command that reboots the board           (reboot -f)

MOZPOOL_TMP=${MOZPOOL_TMP:-/tmp}
MOZPOOL_RETRY_S=${MOZPOOL_RETRY_S:-150}

# log TEXT: one line to the console and to syslog. logger writes to /dev/log only;
# in the live image syslogd -R carries the line to the server over UDP.
log() {
    echo "${MOZPOOL_TAG:-mozpool}: $*"
    logger -t "${MOZPOOL_TAG:-mozpool}" -- "$*" 2>/dev/null || :
}

# uptime_s: whole seconds since boot. A clock that DHCP or NTP cannot move.
uptime_s() {
    read -r up_s </proc/uptime
    echo "${up_s%%.*}"
}

# json_string TEXT: TEXT as a JSON string with its quotes, control characters as spaces.
json_string() {
    printf '"%s"' "$(printf '%s' "$1" | tr '\000-\037' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

# reason_json TEXT: the body of an event that reports a failure.
reason_json() {
    printf '{"reason": %s}' "$(json_string "$1")"
}

# event_once NAME [JSON]: one attempt. 0: accepted by the server; 1: no answer or
# 5xx, worth repeating; 2: refused (4xx), repeating is useless: 403 says that this
# boot is over for the server, or that it does not take us for the board.
# wget's own -T crashes in busybox 1.35, hence timeout.
event_once() {
    eo_body=$2
    [ -n "$eo_body" ] || eo_body='{}'
    eo_reply=$(timeout 15 wget -q -O - \
        --header 'Content-Type: application/json' ${MOZPOOL_BOOT:+--header "Mozpool-Boot: $MOZPOOL_BOOT"} \
        --post-data "$eo_body" \
        "http://$MOZPOOL_SERVER/api/device/$MOZPOOL_DEVICE/event/$1/" 2>&1) && return 0
    case $eo_reply in
    *"server returned error: HTTP/"*" 408 "* | *"server returned error: HTTP/"*" 429 "*) return 1 ;;
    *"server returned error: HTTP/"*" 4"[0-9][0-9]*) return 2 ;;
    esac
    return 1
}

# event NAME [JSON]: reports to the server and repeats, with back-off from 1 s to
# 5 s, for MOZPOOL_RETRY_S. Returns as event_once; the caller may go on in any
# case, because the server's time limit covers a lost event.
event() {
    ev_end=$(($(uptime_s) + MOZPOOL_RETRY_S))
    ev_wait=1
    while :; do
        event_once "$@"
        ev_rc=$?
        case $ev_rc in
        0) return 0 ;;
        2)
            log "event $1 refused by $MOZPOOL_SERVER: $eo_reply"
            return 2
            ;;
        esac
        if [ "$(uptime_s)" -ge "$ev_end" ]; then
            log "event $1 not delivered to $MOZPOOL_SERVER in $MOZPOOL_RETRY_S s: $eo_reply"
            return 1
        fi
        [ "$ev_wait" -gt 1 ] || log "event $1 not delivered yet, repeating: $eo_reply"
        sleep "$ev_wait"
        ev_wait=$((ev_wait * 2))
        [ "$ev_wait" -le 5 ] || ev_wait=5
    done
}

# fail EVENT REASON: log line, event with the reason, end of the script with status 3,
# by which mobile-init.sh knows that the server has been told.
fail() {
    log "failed: $2"
    event "$1" "$(reason_json "$2")"
    exit 3
}

# give_up REASON: a failure that is the board's own (disk, memory): a log line and
# a non-zero end, which mobile-init.sh reports. No image_failed: the image is not
# to blame, and the server's time limit counts this attempt against the board.
give_up() {
    log "giving up: $1"
    printf '%s\n' "$1" >"$MOZPOOL_TMP/mozpool-reason"
    exit 1
}

# absolute_url URL: as it is, or completed by our server if it begins with a slash.
absolute_url() {
    case $1 in
    /*) echo "http://$MOZPOOL_SERVER$1" ;;
    *) echo "$1" ;;
    esac
}

# fetch URL FILE: a small file, repeated like an event. 0: there; 1: not reached;
# 2: refused. On failure fetch_error says why, as "404 Not Found".
# The token of this boot is for our server's API and for nobody else.
fetch() {
    fe_boot=
    case $1 in "http://$MOZPOOL_SERVER/api/"*) fe_boot=$MOZPOOL_BOOT ;; esac
    fe_end=$(($(uptime_s) + MOZPOOL_RETRY_S))
    fe_wait=1
    while :; do
        fe_out=$(timeout 60 wget -q -O "$2" ${fe_boot:+--header "Mozpool-Boot: $fe_boot"} "$1" 2>&1) && return 0
        rm -f "$2"
        fetch_error=${fe_out##*HTTP/1.? }
        fetch_error=${fetch_error:-no answer}
        case $fe_out in
        *"server returned error: HTTP/"*" 408 "* | *"server returned error: HTTP/"*" 429 "*) ;;
        *"server returned error: HTTP/"*" 4"[0-9][0-9]*) return 2 ;;
        esac
        [ "$(uptime_s)" -lt "$fe_end" ] || return 1
        sleep "$fe_wait"
        fe_wait=$((fe_wait * 2))
        [ "$fe_wait" -le 5 ] || fe_wait=5
    done
}

# json_get FILE PATH: prints the value at PATH of a JSON text: keys joined by dots,
# array places as numbers (`images.0.url`). Strings come decoded, null prints
# nothing. 0: there; 1: not there (or null); 2: FILE is not JSON.
json_get() {
    awk -v want="$2" '
    function ws() { while (p <= n && index(" \t\r\n", substr(t, p, 1))) p++ }
    function die() { exit 2 }
    function hex4(  i, v, d) {
        v = 0
        for (i = 0; i < 4; i++) {
            d = index("0123456789abcdef", tolower(substr(t, p++, 1))) - 1
            if (d < 0) die()
            v = v * 16 + d
        }
        return v
    }
    function utf8(c) {
        if (c < 128) return sprintf("%c", c)
        if (c < 2048) return sprintf("%c%c", 192 + int(c / 64), 128 + c % 64)
        if (c < 65536) return sprintf("%c%c%c", 224 + int(c / 4096), 128 + int(c / 64) % 64, 128 + c % 64)
        return sprintf("%c%c%c%c", 240 + int(c / 262144), 128 + int(c / 4096) % 64, 128 + int(c / 64) % 64, 128 + c % 64)
    }
    function string(  s, c, u, v) {
        p++
        s = ""
        while (p <= n) {
            c = substr(t, p++, 1)
            if (c == "\"") return s
            if (c != "\\") { s = s c; continue }
            c = substr(t, p++, 1)
            if (c == "n") s = s "\n"
            else if (c == "t") s = s "\t"
            else if (c == "r") s = s "\r"
            else if (c == "b") s = s "\b"
            else if (c == "f") s = s "\f"
            else if (c == "u") {
                u = hex4()
                if (u >= 55296 && u < 56320 && substr(t, p, 2) == "\\u") {
                    p += 2
                    v = hex4()
                    u = 65536 + (u - 55296) * 1024 + (v - 56320)
                }
                s = s utf8(u)
            }
            else if (index("\"\\/", c)) s = s c
            else die()
        }
        die()
    }
    function found(path, v) { if (path == want) { hit = 1; value = v } }
    function val(path, depth,  c, k, i, s) {
        if (depth > 32) die()
        ws()
        c = substr(t, p, 1)
        if (c == "{") {
            p++; ws()
            if (substr(t, p, 1) == "}") { p++; return }
            while (1) {
                ws()
                if (substr(t, p, 1) != "\"") die()
                k = string(); ws()
                if (substr(t, p++, 1) != ":") die()
                val(path == "" ? k : path "." k, depth + 1); ws()
                c = substr(t, p++, 1)
                if (c == "}") return
                if (c != ",") die()
            }
        }
        if (c == "[") {
            p++; ws()
            if (substr(t, p, 1) == "]") { p++; return }
            for (i = 0; ; i++) {
                val(path == "" ? i : path "." i, depth + 1); ws()
                c = substr(t, p++, 1)
                if (c == "]") return
                if (c != ",") die()
            }
        }
        if (c == "\"") { s = string(); found(path, s); return }
        s = ""
        while (p <= n && index("+-.0123456789abcdefghijklmnopqrstuvwxyzE", substr(t, p, 1))) s = s substr(t, p++, 1)
        if (s == "null") return
        if (s == "true" || s == "false" || s ~ /^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$/) { found(path, s); return }
        die()
    }
    { t = t $0 "\n" }
    END {
        n = length(t); p = 1
        val("", 0); ws()
        if (p <= n) die()
        if (!hit) exit 1
        print value
    }' "$1"
}

# kernel_arg NAME: the value of NAME=value on the kernel command line (last one wins).
kernel_arg() {
    ka_value=
    read -r ka_line <"${MOZPOOL_CMDLINE:-/proc/cmdline}"
    set -f # a star is no file name here
    for ka_word in $ka_line; do
        case $ka_word in "$1"=*) ka_value=${ka_word#*=} ;; esac
    done
    set +f
    printf '%s\n' "$ka_value"
    [ -n "$ka_value" ]
}

# disk_size DISK: bytes of a block device (or of a plain file, in tests).
disk_size() {
    ds_sys=/sys/class/block/${1##*/}/size
    if [ -b "$1" ] && [ -r "$ds_sys" ]; then
        read -r ds_sectors <"$ds_sys"
        echo $((ds_sectors * 512))
    else
        stat -L -c %s "$1" 2>/dev/null
    fi
}

# disks: the fixed disks, one /dev name a line. mmcblk0boot0 and its like are
# parts of an eMMC that no installed system lives on.
disks() {
    for di_dir in /sys/block/*; do
        di_name=${di_dir##*/}
        case $di_name in
        loop* | ram* | zram* | sr* | fd* | md* | dm-* | nbd* | mtdblock* | mmcblk*boot* | mmcblk*rpmb*) continue ;;
        esac
        [ "$(cat "$di_dir/removable" 2>/dev/null)" = 0 ] || continue
        [ "$(cat "$di_dir/size" 2>/dev/null)" -gt 0 ] || continue
        echo "/dev/$di_name"
    done
}

# first_disk [SECONDS]: the first fixed disk; waits, because USB and SD controllers
# take seconds to find their disks.
first_disk() {
    fd_end=$(($(uptime_s) + ${1:-15}))
    while :; do
        fd_disk=$(disks | head -n 1)
        if [ -n "$fd_disk" ]; then
            echo "$fd_disk"
            return 0
        fi
        [ "$(uptime_s)" -lt "$fd_end" ] || return 1
        sleep 1
    done
}

# reboot_board EVENT: tells the server, then resets at once. The event is repeated
# for longer than others: without it a finished board would be imaged again.
reboot_board() {
    sync
    log "installed, rebooting"
    rb_retry=$MOZPOOL_RETRY_S
    MOZPOOL_RETRY_S=$((rb_retry * 4))
    event "$1"
    MOZPOOL_RETRY_S=$rb_retry
    ${MOZPOOL_REBOOT:-reboot -f}
}

# use NAME: loads a further library (stream.sh, tarballs.sh) from beside the second stages.
use() {
    fetch "$MOZPOOL_BASE/$1" "$MOZPOOL_TMP/mozpool-$1" || give_up "cannot load $MOZPOOL_BASE/$1: $fetch_error"
    # shellcheck disable=SC1090
    . "$MOZPOOL_TMP/mozpool-$1"
}

# boot_config FILE EVENT: fetches what the server wants installed; fails with EVENT.
boot_config() {
    fetch "http://$MOZPOOL_SERVER/api/device/$MOZPOOL_DEVICE/bootconfig/" "$1" ||
        give_up "cannot fetch the boot config: $fetch_error"
    json_get "$1" . >/dev/null 2>&1
    [ $? != 2 ] || fail "$2" "boot config: not JSON: $(head -c 100 "$1")"
}

# What the live image's mobile-init.sh does not hand over stands on the kernel line, also where that script is an old one.
MOZPOOL_BOOT=${MOZPOOL_BOOT:-$(kernel_arg mozpool-boot)} || :
