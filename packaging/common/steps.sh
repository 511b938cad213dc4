# What the scripts of both packages do, put into each of them by packaging/build. POSIX sh; each step may be done again.
# It asks the program and reads no configuration and no store by itself.

# The newest schema version that the program in this package knows.
schema=@SCHEMA@
program=/usr/bin/mozpool
say() { echo "mozpool: $*" >&2; }
refuse() {
    say "$*"
    exit 1
}

# The program, as the daemon's user: what a look at the store leaves beside it must belong to the daemon.
as_daemon() {
    (cd / && exec setpriv --reuid=mozpool --regid=mozpool --init-groups "$program" "$@")
}

# A program and its user are there to be asked.
can_ask() { [ -x "$program" ] && id mozpool >/dev/null 2>&1; }

# Sets found (the store's schema version) and file (the SQLite file). Both are empty where the program that is
# installed cannot tell; why not is said, and code is what it ended with.
look_at_store() {
    found='' file='' code=0
    # A program from before this command, installed by hand.
    { can_ask && "$program" db schema --help >/dev/null 2>&1; } || return 0
    if told=$(as_daemon db schema 2>&1); then
        found=$(printf '%s\n' "$told" | sed -n 's/^found=//p')
        file=$(printf '%s\n' "$told" | sed -n 's/^file=//p')
    else
        code=$?
        say "cannot look at the store: $told"
    fi
}

# With a configuration that the installed program cannot read (2), nobody knows which store to back up. A store that does
# not answer stops no upgrade: the new daemon will look at it again.
refuse_blind() {
    [ "$code" = 2 ] && [ -z "${MOZPOOL_NO_BACKUP:-}" ] || return 0
    say "so it cannot be backed up before the upgrade. Put the configuration right (see \`mozpool check\`), or set"
    refuse "MOZPOOL_NO_BACKUP=1 to go on without a backup. Nothing was changed."
}

# A store that a newer program has written is of no use to this one, so this one does not take its place.
refuse_downgrade() {
    [ -n "$found" ] && [ "$found" -gt "$schema" ] || return 0
    say "the store has schema version $found, and this package's program knows $schema at most: it would not start."
    say "Keep the installed version, or go back by a backup from before it: stop the daemon (and mozpool.socket,"
    say "if it is on), move the store away, install this version, restore the backup, start; docs/packages.md has it step"
    refuse "by step. Nothing was changed."
}

# Up to $1 copies of the store are made on its disk before the new daemon works. What it needs beside them: 64 MiB that each copy
# leaves free, and as much for the change of the schema itself.
has_room() {
    # The log beside the file is there while a daemon runs.
    store_mib=$(du -ckL "$file" "$file-wal" 2>/dev/null | tail -n 1 | cut -f 1)
    store_mib=$((store_mib / 1024 + 1))
    needed_mib=$((store_mib * $1 + 128))
    free_kib=$(df --output=avail -k "$(dirname "$file")" 2>/dev/null | tail -n 1)
    # A file system that does not say is not a full one.
    [ $((${free_kib:-0} >> 10)) -lt "$needed_mib" ] && [ -n "$free_kib" ] || return 0
    say "this version changes the schema of $file, which takes $needed_mib MiB on that disk: $1 times its size, for"
    say "copies from before the change, and 128 MiB. $((free_kib >> 10)) MiB are free. Make room there. Nothing was changed."
    exit 1
}

# There is no way back from a newer schema but a backup. Made by the program that is still installed, while its
# daemon runs; under its last name only when it is whole. The new daemon makes another one before it changes the schema:
# that one has what was written since, and this one is there should the new program not start at all.
back_up() {
    [ -n "$file" ] && [ "$found" -gt 0 ] && [ "$found" -lt "$schema" ] || return 0
    if [ -n "${MOZPOOL_NO_BACKUP:-}" ]; then
        say "no backup of $file is made: MOZPOOL_NO_BACKUP is set"
        has_room 1
        return 0
    fi
    # A program without the command: its successor makes a copy before it changes the schema.
    as_daemon db backup --help >/dev/null 2>&1 || { has_room 1; return 0; }
    to=$(dirname "$file")/backup
    has_room 2
    install -d -o mozpool -g mozpool -m 0700 "$to" || refuse "cannot make $to for the backup. Nothing was changed."
    rm -f "$to/new.db"
    if ! as_daemon db backup "$to/new.db" >&2; then
        rm -f "$to/new.db"
        say "the store could not be backed up to $to, and this version changes its schema. Make room, or set"
        refuse "MOZPOOL_NO_BACKUP=1 if there is a backup elsewhere. Nothing was changed."
    fi
    mv "$to/new.db" "$to/before-schema-$schema.db"
    say "the store was backed up to $to/before-schema-$schema.db"
}

# Second stages as the package brought them follow the package; what an admin has changed stays. Before the new
# ones are unpacked it is noted whether that is so. In the default folder alone: another one may belong to somebody who
# could have root write through a link of his.
stages=/usr/share/mozpool/init-scripts/second-stages
served=/srv/mozpool/files/second-stages
note=/run/mozpool-second-stages-as-packaged
note_second_stages() {
    rm -f "$note"
    if [ -d "$served" ] && [ -d "$stages" ] && diff -r "$stages" "$served" >/dev/null 2>&1; then
        : >"$note"
    fi
}
bring_second_stages() {
    if [ ! -e "$served" ] || [ -e "$note" ]; then
        mkdir -p "$served" && cp "$stages"/* "$served/"
    elif ! diff -r "$stages" "$served" >/dev/null 2>&1; then
        say "$served is not as in this version. When your changes are elsewhere: cp $stages/* $served/"
    fi
    rm -f "$note"
}

# Folders for a system without systemd-tmpfiles; with it they are those of /usr/lib/tmpfiles.d/mozpool.conf.
make_folders() {
    if command -v systemd-tmpfiles >/dev/null; then
        systemd-tmpfiles --create mozpool.conf
    else
        for folder in /srv/mozpool /srv/mozpool/files /srv/mozpool/files/images /srv/mozpool/tftp; do
            [ -d "$folder" ] || install -d -m 0755 "$folder"
        done
        [ -d /var/lib/mozpool ] || install -d -o mozpool -g mozpool -m 0750 /var/lib/mozpool
    fi
}

# Whether the new program could take over from the running one. 2 is the exit code for a wrong configuration; what
# else a check finds is no worse with the new program than it was with the old one.
is_fit() {
    fault=$(as_daemon check 2>&1) || [ $? -ne 2 ] || {
        say "$fault"
        return 1
    }
    look_at_store
    if [ -n "$found" ] && [ "$found" -gt "$schema" ]; then
        say "the store has schema version $found, this program knows $schema at most"
        return 1
    fi
}

# The new daemon could not begin at once; systemd starts it until it can, but for a damaged store.
not_yet() {
    say "installed, and the daemon has not begun yet: journalctl -u mozpool says why. In a pool it waits until the last server has"
    say "this version, and begins by itself then (docs/database.md, \"Upgrading\")."
}
