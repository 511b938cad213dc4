# shellcheck shell=sh
# stream.sh - a file over HTTP as a stream that survives broken connections, and
# what unpacks it. It knows nothing of disks. RFC 9110 14.2 (Range), 13.1.5 (If-Range).
# busybox 1.35's wget dies on "206 Partial Content" unless it continues a *file*;
# a board has no room for the file, so this speaks HTTP/1.0 over nc.
# Sourced after lib.sh.
#
# Environment:
#   MOZPOOL_STALL_S     silence after which a connection is given up (30 s)

MOZPOOL_STALL_S=${MOZPOOL_STALL_S:-30}
CR=$(printf '\r')

# moved_bytes DIR: about how many bytes fetch_stream DIR has received so far.
# The running connection counts by /proc/PID/io; without it (kernels without
# TASK_IO_ACCOUNTING) only finished connections count.
moved_bytes() {
    mb_base=$(cat "$1/got" 2>/dev/null)
    mb_now=$(sed -n 's/^rchar: //p' "/proc/$(cat "$1/pid" 2>/dev/null)/io" 2>/dev/null)
    echo $((${mb_base:-0} + ${mb_now:-0}))
}

# stall_guard DIR: ends connections on which nothing moves for MOZPOOL_STALL_S; a
# server that lost its power sends no RST. Runs beside fetch_stream until DIR/done.
stall_guard() {
    sg_last=-1
    sg_since=$(uptime_s)
    while [ ! -e "$1/done" ]; do
        sleep 1
        sg_pid=$(cat "$1/pid" 2>/dev/null)
        sg_now="$sg_pid $(moved_bytes "$1")"
        if [ "$sg_now" != "$sg_last" ] || [ ! -r "/proc/$sg_pid/io" ]; then
            sg_last=$sg_now
            sg_since=$(uptime_s)
        elif [ $(($(uptime_s) - sg_since)) -ge "$MOZPOOL_STALL_S" ]; then
            echo "nothing arrived for $MOZPOOL_STALL_S s" >"$1/stalled"
            kill -9 "$sg_pid" 2>/dev/null
            sg_since=$(uptime_s)
        fi
    done
}

# fetch_attempt DIR HOST PORT PATH: one connection from byte DIR/got on. Writes the
# body to standard output; leaves code, reason, location in DIR and adds to DIR/got.
fetch_attempt() {
    fa_dir=$1
    fa_got=$(cat "$fa_dir/got")
    fa_etag=$(cat "$fa_dir/etag" 2>/dev/null)
    rm -f "$fa_dir/req" "$fa_dir/net" "$fa_dir/body" "$fa_dir/code" "$fa_dir/reason" "$fa_dir/location" "$fa_dir/stalled"
    mkfifo "$fa_dir/req" "$fa_dir/net" "$fa_dir/body"
    # The request pipe stays open for reading and writing, so that nc never sees
    # an end of its input and does not half-close the connection.
    exec 8<>"$fa_dir/req"
    {
        printf 'GET %s HTTP/1.0\r\nHost: %s:%s\r\nUser-Agent: mozpool-live\r\nConnection: close\r\n' "$4" "$2" "$3"
        [ "$fa_got" = 0 ] || printf 'Range: bytes=%s-\r\n' "$fa_got"
        if [ "$fa_got" != 0 ] && [ -n "$fa_etag" ]; then printf 'If-Range: %s\r\n' "$fa_etag"; fi
        printf '\r\n'
    } >&8
    nc -w 10 "$2" "$3" <"$fa_dir/req" >"$fa_dir/net" 2>"$fa_dir/nc.err" &
    fa_pid=$!
    echo "$fa_pid" >"$fa_dir/pid"
    fetch_answer <"$fa_dir/net"
    kill -9 "$fa_pid" 2>/dev/null
    wait "$fa_pid" 2>/dev/null
    rm -f "$fa_dir/pid"
    exec 8>&-
}

# fetch_answer: reads head and body of the answer from standard input.
fetch_answer() {
    IFS= read -r fa_line || return
    fa_line=${fa_line%"$CR"}
    case $fa_line in HTTP/1.?\ [0-9]*) ;; *) return ;; esac
    fa_line=${fa_line#* }
    fa_code=${fa_line%% *}
    fa_length='' fa_range='' fa_newtag=''
    while IFS= read -r fa_head; do
        fa_head=${fa_head%"$CR"}
        [ -n "$fa_head" ] || break
        case $fa_head in
        [Cc]ontent-[Ll]ength:*) fa_length=$(echo "${fa_head#*:}" | tr -cd 0-9) ;;
        [Cc]ontent-[Rr]ange:*) fa_range=${fa_head#*:} ;;
        [Ee][Tt]ag:*) fa_newtag=${fa_head#*: } ;;
        [Ll]ocation:*) echo "${fa_head#*: }" >"$fa_dir/location" ;;
        esac
    done
    echo "$fa_line" >"$fa_dir/reason"
    fa_skip=0
    case $fa_code in
    200)
        if [ "$fa_got" = 0 ]; then
            [ -z "$fa_length" ] || echo "$fa_length" >"$fa_dir/total"
            [ -z "$fa_newtag" ] || echo "$fa_newtag" >"$fa_dir/etag"
        elif [ "$fa_newtag" != "$fa_etag" ] || [ "$fa_length" != "$(cat "$fa_dir/total" 2>/dev/null)" ]; then
            echo "changed on the server while it was read" >"$fa_dir/reason"
            echo changed >"$fa_dir/code"
            return
        else
            # A server without ranges: read again what we already have.
            fa_skip=$fa_got
        fi
        ;;
    206)
        case $fa_range in
        *"bytes $fa_got-"*) ;;
        *)
            echo "answered bytes $fa_got- by $fa_range" >"$fa_dir/reason"
            echo 502 >"$fa_dir/code"
            return
            ;;
        esac
        ;;
    *)
        echo "$fa_code" >"$fa_dir/code"
        return
        ;;
    esac
    echo "$fa_code" >"$fa_dir/code"
    # tee counts by a second reader: busybox dd does not print bytes.
    wc -c <"$fa_dir/body" >"$fa_dir/count" &
    fa_counter=$!
    if [ "$fa_skip" = 0 ]; then
        tee "$fa_dir/body" ${fs_copy:+"$fs_copy"} 2>/dev/null
    else
        tail -c "+$((fa_skip + 1))" | tee "$fa_dir/body" ${fs_copy:+"$fs_copy"} 2>/dev/null
    fi
    wait "$fa_counter"
    echo $((fa_got + $(cat "$fa_dir/count"))) >"$fa_dir/got"
}

# fetch_stream URL DIR [COPY]: the file's bytes on standard output, and again into the
# pipe COPY, which the caller holds open (one tee less than outside: on a small board
# every copy counts). A connection that
# breaks is taken up again by Range, with back-off, until MOZPOOL_RETRY_S pass
# without a new byte. 0 when complete; else DIR/error says why. DIR/total holds the
# length once known; DIR/abort, made by anyone, ends it.
fetch_stream() {
    fs_dir=$2
    fs_copy=$3
    mkdir -p "$fs_dir"
    rm -f "$fs_dir"/*
    echo 0 >"$fs_dir/got"
    stall_guard "$fs_dir" </dev/null >/dev/null 2>&1 &
    fs_guard=$!
    fetch_loop "$1"
    fs_rc=$?
    : >"$fs_dir/done"
    wait "$fs_guard"
    return $fs_rc
}

fetch_loop() {
    fl_url=$1
    fl_hops=5
    fl_wait=1
    fl_end=$(($(uptime_s) + MOZPOOL_RETRY_S))
    while :; do
        case $fl_url in
        http://*) ;;
        *)
            echo "not an http:// address: $fl_url" >"$fs_dir/error"
            return 1
            ;;
        esac
        fl_host=${fl_url#http://}
        fl_path=/
        case $fl_host in */*) fl_path=/${fl_host#*/} ;; esac
        fl_host=${fl_host%%/*}
        fl_port=80
        case $fl_host in *:*) fl_port=${fl_host##*:} ;; esac
        fl_host=${fl_host%:*}
        case $fl_host in
        '' | *[!0-9.]*)
            echo "needs an IPv4 address, the live image resolves no names: $fl_url" >"$fs_dir/error"
            return 1
            ;;
        esac

        fl_before=$(cat "$fs_dir/got")
        fetch_attempt "$fs_dir" "$fl_host" "$fl_port" "$fl_path"
        fl_got=$(cat "$fs_dir/got")
        fl_code=$(cat "$fs_dir/code" 2>/dev/null)
        fl_total=$(cat "$fs_dir/total" 2>/dev/null)
        [ ! -e "$fs_dir/abort" ] || return 1
        case $fl_code in
        200 | 206)
            if [ "$fl_got" = "$fl_total" ]; then return 0; fi
            # Without a length the end of the connection is the end of the file.
            if [ -z "$fl_total" ] && [ ! -e "$fs_dir/stalled" ]; then return 0; fi
            fl_why="ended after $fl_got of ${fl_total:-unknown} bytes"
            [ ! -e "$fs_dir/stalled" ] || fl_why="$fl_why, $(cat "$fs_dir/stalled")"
            ;;
        301 | 302 | 303 | 307 | 308)
            fl_hops=$((fl_hops - 1))
            fl_to=$(cat "$fs_dir/location" 2>/dev/null)
            if [ "$fl_hops" -lt 0 ] || [ -z "$fl_to" ]; then
                echo "redirected too often" >"$fs_dir/error"
                return 1
            fi
            case $fl_to in /*) fl_to=http://$fl_host:$fl_port$fl_to ;; esac
            fl_url=$fl_to
            continue
            ;;
        408 | 429 | 5*) fl_why=$(cat "$fs_dir/reason") ;;
        changed | [0-9]*)
            cat "$fs_dir/reason" >"$fs_dir/error"
            return 1
            ;;
        *) fl_why=$(cat "$fs_dir/stalled" "$fs_dir/nc.err" 2>/dev/null | head -n 1) ;;
        esac
        if [ "$fl_got" -gt "$fl_before" ]; then
            fl_wait=1
            fl_end=$(($(uptime_s) + MOZPOOL_RETRY_S))
        elif [ "$(uptime_s)" -ge "$fl_end" ]; then
            echo "${fl_why:-no answer}" >"$fs_dir/error"
            return 1
        fi
        log "download interrupted at byte $fl_got (${fl_why:-no answer}), resuming in $fl_wait s" >&2
        sleep "$fl_wait"
        fl_wait=$((fl_wait * 2))
        [ "$fl_wait" -le 5 ] || fl_wait=5
    done
}

# decompress KIND: gz, xz, zst, bz2 or none, from standard input to standard output.
decompress() {
    case $1 in
    gz) gzip -dc ;;
    xz)
        # busybox's shell takes its own xz whatever PATH says, hence the other name.
        if command -v xz-utils >/dev/null; then xz-utils -dc; else xz -dc; fi
        ;;
    zst) zstd -dcq ;;
    bz2) bzip2 -dc ;;
    *) cat ;;
    esac
}

# compression_of MAGIC: the kind of a stream by its first six bytes, as `od -An -tx1`
# prints them without blanks. RFC 1952 2.3.1; .xz format 2.1.1.1; RFC 8878 3.1.1.
compression_of() {
    case $1 in
    1f8b*) echo gz ;;
    fd377a585a00) echo xz ;;
    28b52ffd*) echo zst ;;
    425a68*) echo bz2 ;;
    *) echo none ;;
    esac
}
