#!/bin/sh
# Runs once at the first boot of the installed system and gives the machine its name. Running it again changes nothing.
# Rendered for the machine {{ mac or "of unknown address" }}.
set -eu

hostname={{ hostname | quote_sh }}

say() {
    logger -t hatchery-firstrun -- "$*" 2>/dev/null || true
    printf 'hatchery-firstrun: %s\n' "$*"
}

# The installer has this started by systemd.run in cmdline.txt, and the machine restarts afterwards. That is taken out
# again however this ends, or every boot would do the same. Since Bookworm the boot partition is /boot/firmware.
clean_up() {
    for boot in /boot/firmware /boot; do
        [ -f "$boot/cmdline.txt" ] || continue
        if grep -q ' systemd\.run=' "$boot/cmdline.txt"; then
            sed -e 's/ systemd\.run[^ ]*//g' -e 's/ systemd\.unit=kernel-command-line\.target//g' \
                "$boot/cmdline.txt" > "$boot/cmdline.new"
            mv "$boot/cmdline.new" "$boot/cmdline.txt"
            rm -f "$boot/firstrun.sh"
        fi
        break
    done
    sync
}
trap clean_up EXIT

if [ -z "$hostname" ]; then
    say 'no host name was given; nothing to do'
    exit 0
fi

old=$(cat /etc/hostname 2>/dev/null || true)
if [ "$old" != "$hostname" ]; then
    printf '%s\n' "$hostname" > /etc/hostname.new
    mv /etc/hostname.new /etc/hostname
fi

# Debian names the machine itself on 127.0.1.1; without the line sudo complains about an unknown host.
if [ ! -f /etc/hosts ] || ! grep -q "^127\.0\.1\.1[[:space:]]\{1,\}$hostname\$" /etc/hosts; then
    { grep -v '^127\.0\.1\.1[[:space:]]' /etc/hosts 2>/dev/null || true; } > /etc/hosts.new
    printf '127.0.1.1\t%s\n' "$hostname" >> /etc/hosts.new
    chmod 644 /etc/hosts.new
    mv /etc/hosts.new /etc/hosts
fi

# The running kernel too; where that is not allowed, the next boot does it.
hostname "$hostname" 2>/dev/null || true
if [ "$old" = "$hostname" ]; then say "the name is $hostname already"; else say "the name is now $hostname"; fi
