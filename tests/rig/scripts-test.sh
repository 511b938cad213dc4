#!/bin/sh
# scripts-test.sh - tests of the boards' scripts without a board: shellcheck, the
# shell they run in, the JSON reader, and write-image.sh against a plain file as
# disk and a server with faults. Needs no root and no network but 127.0.0.1.
#
#   scripts-test.sh [CASE…]     all cases, or those whose names are given
#
# Prints one line a case; exits 1 if any failed, 2 if a tool is missing.

set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
rig=$top/tests/rig
stages=$top/init-scripts/second-stages
work=$(mktemp -d "${TMPDIR:-/tmp}/mozpool-scripts.XXXXXX")
server=''
stop_server() {
    [ -z "$server" ] || { kill -9 "$server" && wait "$server"; } 2>/dev/null
    server=''
}
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

for need in busybox:busybox-static mtype:mtools shellcheck:shellcheck python3:python3 zstd:zstd xz:xz-utils; do
    command -v "${need%%:*}" >/dev/null || {
        echo "missing tool ${need%%:*}: install the Debian package ${need#*:}" >&2
        exit 2
    }
done

# The scripts see busybox alone, as on a board, and the two programs that the live image adds.
mkdir -p "$work/bin" "$work/root/images" "$work/state"
busybox --install -s "$work/bin"
ln -s "$(command -v busybox)" "$work/bin/busybox"
ln -s "$(command -v zstd)" "$work/bin/zstd"
mkdir "$work/bin-xz"
ln -s "$(command -v xz)" "$work/bin-xz/xz-utils"
ln -s "$stages" "$work/root/second-stages"

failed=0
wanted=" $* "
is_wanted() { [ "$wanted" = "  " ] || case $wanted in *" $1 "*) true ;; *) false ;; esac; }
ok() { echo "ok      $1"; }
not_ok() {
    echo "FAILED  $1: $2"
    failed=$((failed + 1))
}

# ---- every script: shellcheck, and the syntax that busybox ash reads ----
lint() {
    for script in "$top"/init-scripts/*.sh "$stages"/*.sh "$top"/init-scripts/live-image/* "$rig"/*.sh "$rig"/installed-init; do
        [ -f "$script" ] || continue
        is_wanted lint || return 0
        # What runs on boards must be plain sh; the shebang or directive says which shell.
        if ! shellcheck -x -P "$stages" "$script" >"$work/lint" 2>&1; then
            not_ok "shellcheck ${script#"$top"/}" "$(cat "$work/lint")"
        elif ! busybox ash -n "$script" 2>"$work/lint"; then
            not_ok "ash -n ${script#"$top"/}" "$(cat "$work/lint")"
        else
            ok "lint ${script#"$top"/}"
        fi
    done
}

# ---- the library ----
# lib CODE: runs CODE in busybox ash after sourcing the library.
lib() {
    PATH=$work/bin MOZPOOL_TMP=$work MOZPOOL_SERVER=127.0.0.1:$(cat "$work/state/port" 2>/dev/null) MOZPOOL_DEVICE=board MOZPOOL_RETRY_S=${retry:-3} \
        MOZPOOL_CMDLINE=$work/cmdline STAGES=$stages busybox ash -c ". '$stages/lib.sh'; $1" 2>&1
}
# json CASE TEXT PATH STATUS VALUE
json() {
    is_wanted json || return 0
    printf '%s' "$2" >"$work/json"
    got=$(lib "json_get '$work/json' '$3'")
    rc=$?
    if [ "$rc" = "$4" ] && [ "$got" = "$5" ]; then ok "json $1"; else not_ok "json $1" "status $rc value '$got', not status $4 value '$5'"; fi
}
json_cases() {
    json plain '{"url":"http://10.0.0.1/a?b=c&d"}' url 0 'http://10.0.0.1/a?b=c&d'
    json blanks ' { "a" : 1 ,
 "url" : "x y" } ' url 0 'x y'
    json escapes '{"u":"a\"b\\c\/d\u0041"}' u 0 'a"b\c/dA'
    json unicode '{"u":"\u00e9\ud83d\ude00"}' u 0 'é😀'
    json nested '{"a":{"b":[1,{"c":"deep"}]}}' a.b.1.c 0 deep
    json number '{"n":-1.5e3}' n 0 -1.5e3
    json bool '{"t":true}' t 0 true
    json null '{"n":null}' n 1 ''
    json null-root null url 1 ''
    json missing '{"a":"url"}' url 1 ''
    json key-in-value '{"x":"\"url\": \"wrong\"","url":"right"}' url 0 right
    json inner-key '{"x":{"url":"wrong"},"url":"right"}' url 0 right
    json empty '' url 2 ''
    json not-json 'None' url 2 ''
    json cut '{"url":"abc' url 2 ''
    json trailing '{"a":1} x' a 2 ''
    json bad-escape '{"a":"\q"}' a 2 ''
}
# library CASE CODE EXPECTED
library() {
    is_wanted library || return 0
    got=$(lib "$2")
    if [ "$got" = "$3" ]; then ok "library $1"; else not_ok "library $1" "'$got', not '$3'"; fi
}
library_cases() {
    echo 'BOOT_IMAGE=x mobile-imaging-url=http://1.2.3.4/a.sh a=b mozpool-device=first mozpool-device=p-1' >"$work/cmdline"
    library kernel-arg 'kernel_arg mobile-imaging-url' http://1.2.3.4/a.sh
    library kernel-arg-last 'kernel_arg mozpool-device' p-1
    library kernel-arg-missing 'kernel_arg nope || echo missing' '
missing'
    library json-string 'json_string "a\"b\\c	d"' '"a\"b\\c d"'
    # shellcheck disable=SC2016 # expanded by the inner shell
    library compression '. "$STAGES/stream.sh"; for m in 1f8b0800 fd377a585a00 28b52ffd0458 425a68393141 eb58906d6b66; do compression_of $m; done' 'gz
xz
zst
bz2
none'
}

# ---- the server ----
start_server() {
    rm -f "$work/state/port"
    python3 "$rig/fault-server.py" "$work/root" "$work/state" &
    server=$!
    while [ ! -e "$work/state/port" ]; do
        kill -0 "$server" 2>/dev/null || { echo "fault-server.py ended" >&2; exit 1; }
        sleep 0.1
    done
}

# shows CASE KERNEL_LINE CODE WANTED: what the server sees of one call.
shows() {
    cp "$work/cmdline" "$work/cmdline.kept" 2>/dev/null
    echo "$2" >"$work/cmdline"
    rm -f "$work/state/boots"
    echo null >"$work/state/bootconfig.json"
    lib "$3" >/dev/null
    got=$(cat "$work/state/boots" 2>/dev/null)
    if [ "$got" = "$4" ]; then ok "shows $1"; else not_ok "shows $1" "'$got', not '$4'"; fi
    mv "$work/cmdline.kept" "$work/cmdline" 2>/dev/null
}

event_cases() {
    is_wanted event || return 0
    rm -f "$work/state/events"
    echo 2 >"$work/state/refuse"
    got=$(retry=20 lib 'event some_event "{\"a\": 1}" >/dev/null; echo $?')
    if [ "$got" = 0 ] && grep -q '^board some_event {"a": 1}$' "$work/state/events"; then ok "event repeated until taken"; else not_ok "event repeated until taken" "$got"; fi
    echo 404 >"$work/state/refuse"
    got=$(retry=60 lib 'event some_event >/dev/null; echo $?; uptime_s >/dev/null')
    if [ "$got" = 2 ]; then ok "event refused is not repeated"; else not_ok "event refused is not repeated" "$got"; fi
    echo 403 >"$work/state/refuse"
    got=$(retry=60 lib 'event some_event >/dev/null; echo $?; uptime_s >/dev/null')
    if [ "$got" = 2 ]; then ok "event of another boot is not repeated"; else not_ok "event of another boot is not repeated" "$got"; fi
    rm -f "$work/state/refuse"
    shows the-kernel-lines-token 'mozpool-boot=c0ffee' 'event some_event' 'event c0ffee'
    shows what-mobile-init-handed-over 'mozpool-boot=other' 'MOZPOOL_BOOT=c0ffee; event some_event' 'event c0ffee'
    shows no-token-where-there-is-none 'quiet' 'event some_event' 'event -'
    # shellcheck disable=SC2016 # expanded by the inner shell
    shows the-token-to-the-api 'mozpool-boot=c0ffee' 'fetch "http://$MOZPOOL_SERVER/api/device/board/bootconfig/" /dev/null' 'bootconfig c0ffee'
    # shellcheck disable=SC2016
    shows no-token-to-others 'mozpool-boot=c0ffee' 'fetch "http://$MOZPOOL_SERVER/files/second-stages/lib.sh" /dev/null' 'file -'
    echo 1000 >"$work/state/refuse"
    got=$(retry=2 lib 'event some_event | tail -n 1; echo')
    case $got in *"not delivered"*) ok "event given up in time" ;; *) not_ok "event given up in time" "$got" ;; esac
    rm -f "$work/state/refuse"
}

# ---- write-image.sh ----
# run_write CONFIG: one run. Leaves $work/out, $work/status and the events.
run_write() {
    printf '%s' "$1" >"$work/state/bootconfig.json"
    rm -rf "$work/tmp" "$work/state/events"
    mkdir "$work/tmp"
    : >"$work/state/events"
    PATH=${write_path:-$work/bin} MOZPOOL_LIB=$stages/lib.sh MOZPOOL_TMP=$work/tmp \
        MOZPOOL_SERVER=127.0.0.1:$(cat "$work/state/port") MOZPOOL_DEVICE=board \
        MOZPOOL_BASE=http://127.0.0.1:$(cat "$work/state/port")/files/second-stages \
        MOZPOOL_RETRY_S=${retry:-3} MOZPOOL_STALL_S=2 MOZPOOL_PROGRESS_S=1 \
        MOZPOOL_REBOOT="touch $work/tmp/rebooted" \
        timeout 60 busybox ash "$stages/write-image.sh" >"$work/out" 2>&1
    echo $? >"$work/status"
}
events() { cut -d ' ' -f 2 "$work/state/events" | grep -v image_progress | tr '\n' ' '; }
new_disk() { head -c 8388608 /dev/zero | tr '\000' '\377' >"$work/disk"; }
config() { printf '{"url": "/files/images/%s", "sha256": "%s", "disk": "%s"%s}' "$1" "$2" "${disk:-$work/disk}" "${more:-}"; }

# writes CASE FILE[?FAULT]: the image must be on the disk, the rest of the disk untouched, the board rebooted.
writes() {
    is_wanted "$1" || return 0
    new_disk
    name=${2%%\?*}
    case ${sum:-good} in good) sha=$(sha256sum <"$work/root/images/$name" | cut -c 1-64) ;; *) sha='' ;; esac
    run_write "$(config "$2" "$sha")"
    if [ "$(cat "$work/status")" != 0 ]; then
        not_ok "$1" "status $(cat "$work/status"): $(cat "$work/out")"
    elif ! cmp -s -n "$(stat -c %s "$work/root/images/raw.img")" "$work/root/images/raw.img" "$work/disk"; then
        not_ok "$1" "the disk does not hold the image"
    elif [ "$(stat -c %s "$work/disk")" != 8388608 ]; then
        not_ok "$1" "the disk was cut"
    elif [ ! -e "$work/tmp/rebooted" ]; then
        not_ok "$1" "no reboot"
    elif [ "$(events)" != "image_downloading image_extracting image_rebooting " ]; then
        not_ok "$1" "events $(events)"
    elif [ -n "${said:-}" ] && ! grep -q "$said" "$work/out"; then
        not_ok "$1" "nothing said of '$said': $(cat "$work/out")"
    else
        ok "write $1"
    fi
}
# refuses CASE CONFIG REASON EVENTS: image_failed with a reason that matches, no reboot.
refuses() {
    is_wanted "$1" || return 0
    run_write "$2"
    got=$(sed -n 's/^board image_failed {"reason": "\(.*\)"}$/\1/p' "$work/state/events")
    if [ "$(cat "$work/status")" = 0 ] || [ -e "$work/tmp/rebooted" ]; then
        not_ok "$1" "did not fail: $(cat "$work/out")"
    elif [ "$(events)" != "$4" ]; then
        not_ok "$1" "events $(events), not $4: $(cat "$work/out")"
    else
        # shellcheck disable=SC2254 # $3 is a pattern
        case $got in
        $3) ok "write $1 ($got)" ;;
        *) not_ok "$1" "reason '$got', not '$3': $(cat "$work/out")" ;;
        esac
    fi
}

write_cases() {
    images=$work/root/images
    # 3 MiB and a bit, so that the last block is not whole; half of it does not compress.
    { head -c 1572864 /dev/urandom; head -c 1572900 /dev/zero; } >"$images/raw.img"
    gzip -k "$images/raw.img"
    xz -k -T1 "$images/raw.img"
    zstd -q -k "$images/raw.img"
    bzip2 -k "$images/raw.img" 2>/dev/null || busybox bzip2 <"$images/raw.img" >"$images/raw.img.bz2"
    head -c 700000 "$images/raw.img.gz" >"$images/broken.gz"
    head -c 700000 "$images/raw.img.xz" >"$images/broken.xz"
    head -c 700000 "$images/raw.img.zst" >"$images/broken.zst"
    { head -c 500000 "$images/raw.img.gz"; echo rubbish; tail -c +500009 "$images/raw.img.gz"; } >"$images/garbled.gz"
    head -c 10485760 /dev/zero >"$images/large.img"
    gzip -k "$images/large.img"
    : >"$images/empty"
    begun='image_downloading image_failed '
    touched='image_downloading image_extracting image_failed '

    writes raw raw.img
    writes gz raw.img.gz
    writes xz raw.img.xz
    write_path=$work/bin-xz:$work/bin writes xz-utils raw.img.xz
    writes zst raw.img.zst
    writes bz2 raw.img.bz2
    sum=none writes no-checksum raw.img.gz
    more=', "compression": "gz"' writes told-compression raw.img.gz
    said='resuming' writes cut-and-resumed 'raw.img.gz?cut=200000'
    said='resuming' writes cut-without-ranges 'raw.img.gz?cut=1200000&once=1&norange=1'
    said='nothing arrived' writes stalled-and-resumed 'raw.img?stall=1000000'
    writes redirected 'raw.img.gz?to=/files/images/raw.img.gz'

    if is_wanted server-killed; then
        # The server dies with SIGKILL in the middle, and comes back seconds later.
        {
            tries=0
            while ! grep -q image_progress "$work/state/events" 2>/dev/null && [ "$tries" -lt 200 ]; do
                sleep 0.1
                tries=$((tries + 1))
            done
            kill -9 "$server"
            sleep 3
            python3 "$rig/fault-server.py" "$work/root" "$work/state" "$(cat "$work/state/port")" &
            echo $! >"$work/server"
        } &
        : >"$work/state/events"
        retry=20 said='resuming' writes server-killed 'raw.img?rate=1000000'
        wait $!
        server=$(cat "$work/server")
        if grep -q '^board image_progress {"percent": [0-9]*, "bytes": [0-9]*}$' "$work/state/events"; then ok "progress events"; else not_ok "progress events" "none seen"; fi
    fi

    disk=$work/disk
    new_disk
    zeros=$(printf '%064d' 0)
    good=$(sha256sum <"$images/raw.img.gz" | cut -c 1-64)
    refuses missing "$(config nothing.gz '')" 'download: 404 Not Found' "$begun"
    refuses server-error "$(config 'raw.img?status=500' '')" 'download: 500 *' "$begun"
    refuses checksum "$(config raw.img.gz "$zeros")" "checksum: expected $zeros got $good" "$touched"
    refuses truncated "$(config 'raw.img.gz?short=600000' "$good")" 'download: ended after 600000 of *' "$touched"
    refuses truncated-gz "$(config broken.gz '')" 'archive: *' "$touched"
    refuses truncated-xz "$(config broken.xz '')" 'archive: *' "$touched"
    refuses truncated-zst "$(config broken.zst '')" 'archive: *' "$touched"
    refuses garbled-gz "$(config garbled.gz '')" 'archive: *' "$touched"
    refuses garbled-gz-checksum "$(config garbled.gz "$good")" 'checksum: *' "$touched"
    refuses empty "$(config empty '')" 'archive: the file is empty' "$begun"
    refuses replaced "$(config 'raw.img.gz?cut=200000&etagflip=1' "$good")" 'download: changed on the server*' "$touched"
    refuses host-name '{"url": "http://images.example/x.gz", "disk": "/dev/null"}' 'download: needs an IPv4 address*' "$begun"
    refuses no-url '{"image": "x"}' 'boot config: has no url' "$begun"
    refuses null-config 'null' 'boot config: has no url' "$begun"
    refuses not-json 'None' 'boot config: not JSON: None' "$begun"
    refuses odd-compression '{"url": "/x", "compression": "rar"}' 'boot config: compression is one of *' "$begun"
    refuses too-large "$(config large.img '')" "disk: the image does not fit on *" "$begun"
    disk=/dev/full refuses too-large-compressed "$(disk=/dev/full config large.img.gz '')" "disk: the image does not fit on /dev/full*" "$touched"

    if is_wanted bad-disk; then
        # A disk that cannot be written is the board's fault: no image_failed.
        mkdir -p "$work/dir"
        run_write "$(disk=$work/dir config raw.img.gz "$good")"
        if [ "$(cat "$work/status")" = 1 ] && [ "$(events)" = 'image_downloading image_extracting ' ] && grep -q 'giving up: disk: cannot write' "$work/out"; then
            ok "write bad-disk"
        else
            not_ok bad-disk "$(cat "$work/status") $(events) $(cat "$work/out")"
        fi
        run_write "$(disk=/dev/nosuchdisk config raw.img.gz "$good")"
        if [ "$(cat "$work/status")" = 1 ] && [ "$(events)" = 'image_downloading ' ]; then ok "write no-disk"; else not_ok no-disk "$(events)"; fi
    fi
}

# ---- mobile-init.sh, without its network ----
# init_case CASE STAGE EVENTS TEXT: runs it with the second stage STAGE; TEXT must be among events or output.
init_case() {
    is_wanted init || return 0
    rm -rf "$work/tmp"
    mkdir "$work/tmp"
    : >"$work/state/events"
    port=$(cat "$work/state/port")
    echo "x mobile-imaging-url=http://127.0.0.1:$port/files/$2 mozpool-device=board" >"$work/cmdline"
    PATH=$work/bin MOZPOOL_NO_NETWORK=1 MOZPOOL_LIB=$stages/lib.sh MOZPOOL_TMP=$work/tmp MOZPOOL_CMDLINE=$work/cmdline \
        MOZPOOL_RETRY_S=2 timeout 60 busybox ash "$top/init-scripts/mobile-init.sh" >"$work/out" 2>&1
    got=$(cut -d ' ' -f 2 "$work/state/events" | tr '\n' ' ')
    if [ "$got" != "$3" ]; then
        not_ok "init $1" "events $got, not $3: $(cat "$work/out")"
    elif ! grep -q "$4" "$work/state/events" "$work/out"; then
        not_ok "init $1" "no '$4' in $(cat "$work/state/events" "$work/out")"
    else
        ok "init $1"
    fi
}
init_cases() {
    mkdir -p "$work/root/stages"
    # shellcheck disable=SC2016 # expanded on the board
    printf '#!/bin/sh\n. "$MOZPOOL_LIB"\nevent stage_ran\n' >"$work/root/stages/good.sh"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\n. "$MOZPOOL_LIB"\ngive_up "disk: is on fire"\n' >"$work/root/stages/bad.sh"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\n. "$MOZPOOL_LIB"\nfail image_failed "archive: is empty"\n' >"$work/root/stages/bad-image.sh"
    echo '<html>' >"$work/root/stages/page.sh"
    init_case stage stages/good.sh 'mobile_init_started stage_ran ' "using the live image's"
    cp "$stages/lib.sh" "$work/root/stages/lib.sh"
    echo 'echo library of the server' >>"$work/root/stages/lib.sh"
    init_case server-library stages/good.sh 'mobile_init_started stage_ran ' '^library of the server'
    init_case stage-fails stages/bad.sh 'mobile_init_started second_stage_failed ' '"reason": "second stage bad.sh ended with status 1: disk: is on fire"'
    init_case stage-reported stages/bad-image.sh 'mobile_init_started image_failed ' '"reason": "archive: is empty"'
    init_case not-a-script stages/page.sh 'mobile_init_started mobile_init_failed ' 'is not a script: it begins with <html>'
    init_case missing stages/none.sh 'mobile_init_started mobile_init_failed ' '404 Not Found'
}

# ---- cards ----
# card CASE STATUS TEXT OPTION…: flash-card.sh ends with STATUS and says TEXT.
card() {
    is_wanted card || return 0
    card_case=$1 card_status=$2 card_text=$3
    shift 3
    got=$("$top/init-scripts/flash-card.sh" "$@" 2>&1)
    rc=$?
    if [ "$rc" = "$card_status" ] && [ "${got#*"$card_text"}" != "$got" ]; then
        ok "card $card_case"
    else
        not_ok "card $card_case" "status $rc '$got', not status $card_status with '$card_text'"
    fi
}
# card_has CASE FILE TEXT: what stands in a file of the card's boot partition.
card_has() {
    is_wanted card || return 0
    got=$(MTOOLS_SKIP_CHECK=1 mtype -i "$work/card.img@@1M" "::$2" 2>&1)
    if [ "${got#*"$3"}" != "$got" ]; then ok "card $1"; else not_ok "card $1" "no '$3' in '$got'"; fi
}
card_cases() {
    # As large as what may stand before the boot partition, and a byte more.
    head -c 1040384 /dev/zero | tr '\0' U >"$work/u-boot.bin"
    { cat "$work/u-boot.bin" && echo; } >"$work/too-long.bin"
    set -- --out "$work/card.img" --size-mib 100 --set 'fdt_addr_r=0x43f00000' --raw "$work/u-boot.bin@8" --file "$work/cmdline" --server 10.0.0.9 --tries 2
    echo here >"$work/cmdline"
    : >"$work/boot.scr"
    card made 0 'card 1-' "$@"
    cp "$work/card.img" "$work/first.img"
    card again 0 'card 1-' "$@"
    if is_wanted card; then
        if cmp -s "$work/card.img" "$work/first.img"; then ok "card same-bytes"; else not_ok "card same-bytes" "two runs differ"; fi
        if [ "$(dd if="$work/card.img" bs=1024 skip=8 count=1016 2>/dev/null | cmp - "$work/u-boot.bin" 2>&1)" = '' ]; then ok "card raw"; else not_ok "card raw" "U-Boot is not at 8 KiB"; fi
        got=$(PATH=$PATH:/sbin:/usr/sbin sfdisk -d "$work/card.img" | sed -n 's/.*start= *\([0-9]*\), size= *\([0-9]*\), type=\([0-9a-f]*\)\(.*\)/\1 \2 \3\4/p' | tr '\n' ';')
        want='2048 131072 c, bootable;133120 71680 83;'
        if [ "$got" = "$want" ]; then ok "card partitions"; else not_ok "card partitions" "'$got', not '$want'"; fi
    fi
    card_has script boot.scr "setenv fdt_addr_r '0x43f00000'"
    card_has tries boot.txt 'for try in 1 2; do'
    card_has server boot.txt 'setenv serverip 10.0.0.9'
    card_has stamp mozpool-card.txt 'card=1-'
    card_has file cmdline here
    card help 0 '--max-gib' --help
    card nothing 2 '--out FILE or --device DISK' --arch arm
    card unknown 2 "no option '--frob'" --frob
    card arch 2 "not 'mips'" --out "$work/x.img" --arch mips
    card quote 2 '--set takes NAME=VALUE' --out "$work/x.img" --set "a=b'c"
    card boot-script 2 'boot.scr' --out "$work/x.img" --file "$work/boot.scr"
    : >"$work/BOOT.SCR"
    card boot-script-in-capitals 2 'BOOT.SCR' --out "$work/x.img" --file "$work/BOOT.SCR"
    : >"$work/mozpool-card.txt"
    card own-file 2 'of its own by that name' --out "$work/x.img" --file "$work/mozpool-card.txt"
    card octal 2 "not '064'" --out "$work/x.img" --boot-mib 064
    card device-as-file 2 'takes --device' --out /dev/null
    card folder-as-file 2 'takes --device' --out "$work"
    card small 1 'too small' --out "$work/x.img" --size-mib 60
    card raw-table 1 'partition table' --out "$work/x.img" --raw "$work/cmdline@0"
    card raw-long 1 'reach into the boot partition' --out "$work/x.img" --raw "$work/too-long.bin@8"
    # Never a real disk: what must be refused first is asked first.
    card no-erase 1 'say --erase' --device "$work/cmdline"
    card no-disk 1 'is no block device' --device "$work/cmdline" --erase
    if is_wanted card; then
        if [ -e "$work/x.img" ]; then not_ok "card refused" "an image was made"; else ok "card refused"; fi
    fi
}

lint
card_cases
json_cases
library_cases
start_server
event_cases
init_cases
write_cases
stop_server
[ "$failed" = 0 ] || { echo "$failed cases failed"; exit 1; }
echo "all cases passed"
