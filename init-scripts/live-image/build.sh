#!/bin/sh
# build.sh - builds the live image (kernel and initramfs) from Debian packages,
# without root, without installing anything. It knows nothing of servers: what the
# image does is told by the kernel command line.
#
#   build.sh --arch amd64|arm64|armhf --out DIR [--cache DIR] [--kernel PACKAGE]
#            [--modules "NAME…"] [--dtb "NAME…"] [--with-dropbear]
#            [--init FILE --minimal]
#
#   --out      gets live/ARCH/vmlinuz and live/ARCH/initrd.img
#   --cache    keeps packages and what was unpacked between runs
#   --kernel   linux-image-cloud-ARCH (small; virtual machines) by default;
#              linux-image-ARCH has the drivers of real boards. For armhf it is
#              linux-image-armmp in any case
#   --modules  further kernel modules; they come with what they depend on
#   --dtb      device trees of the kernel's package, such as omap4-panda-es.dtb; they
#              go to OUT/dtb
#   --with-dropbear  an SSH server for maintenance mode
#   --init, --minimal  another process 1, and busybox with network and disk drivers only
#
# Needs on the host: apt (with Debian bookworm's lists for amd64), dpkg-deb, kmod,
# cpio, gzip. Two runs over the same packages give the same bytes.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
arch='' out='' cache='' kernel='' more_modules='' dtbs='' dropbear='' init=$here/init minimal=''
usage() {
    sed -n '/^#   build/,/^# Needs/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --with-dropbear) dropbear=1 && shift && continue ;;
    --minimal) minimal=1 && shift && continue ;;
    esac
    [ $# -ge 2 ] || usage
    case $1 in
    --arch) arch=$2 ;;
    --out) out=$2 ;;
    --cache) cache=$2 ;;
    --kernel) kernel=$2 ;;
    --modules) more_modules=$2 ;;
    --dtb) dtbs=$2 ;;
    --init) init=$2 ;;
    *) usage ;;
    esac
    shift 2
done
case $arch in amd64 | arm64 | armhf) ;; *) usage ;; esac
[ -n "$out" ] || usage
for need in apt-get:apt dpkg-deb:dpkg depmod:kmod cpio:cpio gzip:gzip; do
    PATH=$PATH:/sbin:/usr/sbin command -v "${need%%:*}" >/dev/null || {
        echo "build.sh: missing tool ${need%%:*}: install the Debian package ${need#*:}" >&2
        exit 1
    }
done
PATH=$PATH:/sbin:/usr/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/mozpool-live.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cache=${cache:-$work/cache}
mkdir -p "$cache/$arch" "$out/live/$arch"
cache=$(cd "$cache" && pwd)
debs=$cache/$arch

# ---- packages ----
# A foreign architecture gets package lists of its own, so that the host's dpkg
# and apt stay as they are.
apt_options=''
if [ "$arch" != "$(dpkg --print-architecture)" ]; then
    own=$cache/apt-$arch
    mkdir -p "$own/state/lists/partial" "$own/cache/archives/partial"
    : >"$own/status"
    apt_options="-o APT::Architecture=$arch -o APT::Architectures::=$arch -o Dir::State=$own/state -o Dir::State::status=$own/status -o Dir::Cache=$own/cache"
    # A day is what Debian's own timers take between two updates.
    if [ -z "$(find "$own/updated" -mmin -1440 2>/dev/null)" ]; then
        # shellcheck disable=SC2086 # options are words
        apt-get $apt_options -q update >"$work/apt.log" 2>&1 || {
            cat "$work/apt.log" >&2
            exit 1
        }
        : >"$own/updated"
    fi
fi

# fetch_packages NAME…: into the cache; what is there and has the right checksum stays.
fetch_packages() {
    # shellcheck disable=SC2086
    (cd "$debs" && apt-get $apt_options -q -o APT::Sandbox::User=root download "$@") >"$work/apt.log" 2>&1 || {
        echo "build.sh: cannot download $*" >&2
        cat "$work/apt.log" >&2
        exit 1
    }
}

# package NAME: prints the path of the fetched package. Versions come from one call
# for all: each apt command takes a second to read its lists.
package() {
    awk -v name="$1" '$1 == "Package:" { here = $2 == name } here && $1 == "Version:" { print $2; exit }' "$work/versions" |
        sed "s|:|%3a|; s|.*|$debs/$1_&_$arch.deb|"
}

# The kernel's meta package names the real one.
[ "$arch" != armhf ] || kernel=${kernel:-linux-image-armmp}
meta=${kernel:-linux-image-cloud-$arch}
# shellcheck disable=SC2086
image=$(apt-cache $apt_options depends "$meta" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
image=${image:-$meta}

packages='busybox-static'
[ -n "$minimal" ] || packages="$packages libc6 zlib1g liblzma5 liblz4-1 xz-utils zstd e2fsprogs libext2fs2 libcom-err2 libblkid1 libuuid1"
[ -z "$dropbear" ] || packages="$packages dropbear-bin libcrypt1 libtomcrypt1 libtommath1 libgmp10"
# shellcheck disable=SC2086 # names are words
fetch_packages $packages "$image"
# shellcheck disable=SC2086
apt-cache $apt_options show --no-all-versions $packages "$image" >"$work/versions"

# unpack NAME: into the cache, once; prints where.
unpack() {
    unpack_file=$(package "$1")
    unpack_dir=$cache/$arch/$(basename "$unpack_file" .deb)
    if [ ! -e "$unpack_dir/.complete" ]; then
        rm -rf "$unpack_dir"
        mkdir -p "$unpack_dir"
        dpkg-deb -x "$unpack_file" "$unpack_dir" || return 1
        : >"$unpack_dir/.complete"
    fi
    echo "$unpack_dir"
}
from=$work/unpacked
mkdir "$from"
for name in $packages; do
    dir=$(unpack "$name")
    (cd "$dir" && tar -cf - --exclude ./usr/share .) | tar -xf - -C "$from"
done
tree=$(unpack "$image")
[ -e "$tree/lib/modules/$(ls "$tree/lib/modules")/modules.dep" ] || depmod -b "$tree" "$(ls "$tree/lib/modules")"
version=$(ls "$tree/lib/modules")

# ---- the root file system ----
root=$work/root
for dir in bin sbin usr/bin usr/sbin lib lib64 etc proc sys dev tmp run root var/log mozpool lib/modules; do mkdir -p "$root/$dir"; done

# take PATTERN DIR: copies files whose path in the packages matches into DIR, without symlinks.
take() {
    taken=''
    for take_file in "$from"/$1; do
        [ -e "$take_file" ] || continue
        cp -L "$take_file" "$root/$2/"
        taken=1
    done
    [ -n "$taken" ] || {
        echo "build.sh: no $1 in the packages" >&2
        exit 1
    }
}
cp -L "$from/bin/busybox" "$root/bin/busybox"
chmod 755 "$root/bin/busybox"
# The applets' names come from the package's own list, for the host may be another architecture.
if "$root/bin/busybox" --list >"$work/applets" 2>/dev/null; then :; else busybox --list >"$work/applets" 2>/dev/null || {
    echo "build.sh: a foreign architecture needs the Debian package busybox-static on the host" >&2
    exit 1
}; fi
while read -r applet; do
    [ "$applet" = busybox ] || ln -sf /bin/busybox "$root/bin/$applet"
done <"$work/applets"

if [ -z "$minimal" ]; then
    triplet=x86_64-linux-gnu
    loader=lib64/ld-linux-x86-64.so.2
    case $arch in
    arm64) triplet=aarch64-linux-gnu loader=lib/ld-linux-aarch64.so.1 ;;
    armhf) triplet=arm-linux-gnueabihf loader=lib/ld-linux-armhf.so.3 ;;
    esac
    cp -L "$from/lib/$triplet/$(basename "$loader")" "$root/$loader"
    # Debian moves libraries between /lib and /usr/lib from release to release.
    libraries='libc.so.6 libz.so.1 liblzma.so.5 liblz4.so.1 libext2fs.so.2 libe2p.so.2 libcom_err.so.2 libblkid.so.1 libuuid.so.1'
    [ -z "$dropbear" ] || libraries="$libraries libcrypt.so.1 libtomcrypt.so.1 libtommath.so.1 libgmp.so.10"
    for library in $libraries; do
        if [ -e "$from/lib/$triplet/$library" ]; then take "lib/$triplet/$library" lib; else take "usr/lib/$triplet/$library" lib; fi
    done
    # busybox's shell prefers its own applets: what it shall find needs another name.
    cp -L "$from/usr/bin/xz" "$root/bin/xz-utils"
    take usr/bin/zstd bin
    take sbin/mke2fs sbin
    cp "$from/etc/mke2fs.conf" "$root/etc/"
    ln -s mke2fs "$root/sbin/mkfs.ext4"
    if [ -n "$dropbear" ]; then
        take usr/sbin/dropbear sbin
        mkdir -p "$root/etc/dropbear"
        echo /bin/sh >"$root/etc/shells"
    fi
    cp "$here/../mobile-init.sh" "$here/../second-stages/lib.sh" "$here/udhcpc-script" "$root/mozpool/"
    chmod 755 "$root/mozpool/mobile-init.sh" "$root/mozpool/udhcpc-script"
fi
cp "$here/udhcpc-script" "$root/etc/udhcpc-script"
chmod 755 "$root/etc/udhcpc-script"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
cp "$init" "$root/init"
chmod 755 "$root/init"

# ---- kernel modules, with what they depend on ----
modules='virtio_pci virtio_mmio virtio_net virtio_blk failover net_failover'
[ -n "$minimal" ] || modules="$modules
    virtio_scsi virtio-rng sd_mod nvme ahci mmc_block sdhci_pci sdhci_acpi sdhci-iproc bcm2835 usb-storage uas xhci-pci ehci-pci
    omap_hsmmc sdhci-omap omap-usb-host omap-usb-tll ehci-omap ohci-omap3 phy-generic phy-omap-usb2 twl-regulator pci-host-generic
    e1000 e1000e igb igc r8169 tg3 bnx2 realtek broadcom genet smsc95xx lan78xx asix ax88179_178a r8152 cdc_ether
    ext4 crc32c_generic crc32c-intel vfat nls_cp437 nls_ascii nls_iso8859-1"
moddir=lib/modules/$version
mkdir -p "$root/$moddir"
cp "$tree/$moddir/modules.order" "$tree/$moddir/modules.builtin" "$tree/$moddir/modules.builtin.modinfo" "$root/$moddir/"
# A module that this kernel lacks is built in, or of no use on this architecture.
echo "$modules $more_modules" | tr -s '[:space:]' '\n' | sort -u >"$work/modules"
awk -v list="$work/modules" '
    BEGIN { while ((getline name < list) > 0) { gsub("-", "_", name); want[name] = 1 } }
    {
        path = $1; sub(":$", "", path)
        name = path; sub(".*/", "", name); sub("\\.ko.*", "", name); gsub("-", "_", name)
        if (name in want) { print path; for (i = 2; i <= NF; i++) print $i }
    }' "$tree/$moddir/modules.dep" | sort -u >"$work/paths"
[ -s "$work/paths" ] || {
    echo "build.sh: $image has none of the modules" >&2
    exit 1
}
while read -r path; do
    mkdir -p "$root/$moddir/$(dirname "$path")"
    cp "$tree/$moddir/$path" "$root/$moddir/$path"
done <"$work/paths"
depmod -b "$root" "$version"

# ---- pack: sorted names, one time, owner 0, no inode numbers ----
epoch=${SOURCE_DATE_EPOCH:-1}
find "$root" -exec touch -h -d "@$epoch" {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible --owner 0:0) | gzip -9n >"$work/initrd.img"
cp -L "$tree"/boot/vmlinuz-* "$work/vmlinuz"
for dtb in $dtbs; do
    # arm64 has a folder per maker, armhf none.
    found=$(find "$tree/usr/lib" -name "$dtb" -type f | head -n 1)
    [ -n "$found" ] || {
        echo "build.sh: $image has no device tree $dtb" >&2
        exit 1
    }
    install -D -m 644 "$found" "$out/dtb/$dtb"
done
mv "$work/vmlinuz" "$work/initrd.img" "$out/live/$arch/"
chmod 644 "$out/live/$arch/"*
echo "live/$arch: Linux $version, kernel $(stat -c %s "$out/live/$arch/vmlinuz") bytes, initramfs $(stat -c %s "$out/live/$arch/initrd.img") bytes, $(wc -l <"$work/paths") modules"
