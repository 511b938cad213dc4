# card.cmd - what a board's card tells U-Boot: ask the network first, boot the card's own system next.
# flash-card.sh fills in the words between @, and makes boot.scr of it. It knows nothing of images or servers.
# No apostrophe in what follows but in comments: U-Boot takes it for a quote even between others.
echo "Mozpool card @STAMP@"
@SET@
# Every answer comes in milliseconds, or the server is down. As built in U-Boot waits 5 s for each, and as often
# for every name that it could ask for: ten minutes until a board without a server is on its own disk.
setenv netretry no
setenv bootpretryperiod 20000
setenv tftptimeout 1000
setenv tftptimeoutcountmax 10
setenv autoload no
# Distribution boot says where it found us; an old boot command does not, and then it is the card slot.
card_type=mmc
card_num=0
if test -n "${devtype}"; then card_type=${devtype}; card_num=${devnum}; fi
# The PandaBoard's network card hangs on USB.
if env exists boot_net_usb_start; then run boot_net_usb_start; fi
answered=no
for try in @TRIES@; do
    if test ${answered} = no; then
        echo "Mozpool card: asking the network, try ${try}"
        if dhcp; then
            @SERVER@
            # What every board may have, so that a server that is down costs one wait and not one for each name.
            # Fetching a file by its name changes bootfile, and `pxe` puts bootfile's folder before every name.
            setenv mozpool_bootfile ${bootfile}
            if tftpboot ${pxefile_addr_r} pxelinux.cfg/default; then answered=yes; fi
            setenv bootfile ${mozpool_bootfile}
            setenv mozpool_bootfile
        fi
    fi
done
# What comes after us fetches by name again.
setenv autoload
if test ${answered} = yes; then
    # Comes back only when the server wants the board to boot its own system, or when what it offers does not boot.
    if pxe get; then pxe boot; fi
else
    echo "Mozpool card: no answer from the network"
fi
echo "Mozpool card: booting its own system"
for part in 2 3 4; do
    for folder in / /boot/; do
        if test -e ${card_type} ${card_num}:${part} ${folder}extlinux/extlinux.conf; then
            sysboot ${card_type} ${card_num}:${part} any ${scriptaddr} ${folder}extlinux/extlinux.conf
        fi
        for script in boot.scr.uimg boot.scr; do
            if test -e ${card_type} ${card_num}:${part} ${folder}${script}; then
                load ${card_type} ${card_num}:${part} ${scriptaddr} ${folder}${script}
                devtype=${card_type}; devnum=${card_num}; distro_bootpart=${part}; prefix=${folder}
                source ${scriptaddr}
            fi
        done
    done
done
echo "Mozpool card: no system on partitions 2 to 4 of ${card_type} ${card_num}; U-Boot goes on by itself"
