# network.cmd - what we tell a U-Boot that asks for boot.scr.uimg: to look for its PXE config.
# Stock U-Boot does so when it has come to `dhcp` in its boot_targets; the address and the server are known then.
# When the server has nothing for the board, or its own disk, this ends, and U-Boot goes on to its next target.
echo "Mozpool: looking for a boot config"
# This file's name is of no use to `pxe`, which puts the boot file's folder before every name.
setenv bootfile
if pxe get; then pxe boot; fi
