#!/bin/sh
# Usage: fresh-machine-trial.sh [--suite bookworm] [--keep] [--bind FOLDER]... [TARGET...]
#
# Makes a bare Debian (python3, make, git; nothing else), copies the working tree into it as a fresh clone would
# lie there, and runs `make TARGET` for each target (demo by default), timed. Needs root and mmdebstrap.
#
# The bare machine is given this machine's network settings and nothing more: proxies, certificates and pip's
# own variables (PIP_INDEX_URL, PIP_CERT ...). --bind lends a folder, such as a local package index; a folder
# beside the checkout that tests look for (../shared) is lent with `--bind`, too, and found at the same path.
# TRIAL_MIRROR names another Debian mirror than mmdebstrap's own.
set -eu

suite=bookworm
keep=no
binds=""
while [ $# -gt 0 ]; do
    case $1 in
        --suite) suite=$2; shift 2 ;;
        --keep) keep=yes; shift ;;
        --bind) binds="$binds $2"; shift 2 ;;
        --help | -h) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) echo "error: unknown option $1" >&2; exit 2 ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || set -- demo
[ "$(id -u)" = 0 ] || { echo "error: needs root (it makes a chroot)" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "error: apt-get install mmdebstrap" >&2; exit 1; }

checkout=$(cd "$(dirname "$0")/.." && pwd)
room=$(mktemp -d "${TMPDIR:-/tmp}/fresh-machine.XXXXXX")
place=$room/$checkout
chmod 755 "$room"

clean_up() {
    for folder in $binds /sys /dev/pts /dev /proc; do
        umount "$room/$folder" 2>/dev/null || true
    done
    if [ "$keep" = yes ]; then
        echo "kept: $room"
    else
        # --one-file-system: should an unmount have failed, nothing of the host is removed.
        rm -rf --one-file-system "$room"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

echo "== a bare $suite in $room"
# shellcheck disable=SC2086
mmdebstrap --quiet --variant=minbase --include=python3,make,git "$suite" "$room" ${TRIAL_MIRROR:-}

# The network settings of the host. The certificates go to a place of their own, because installing
# ca-certificates in there writes the usual one anew.
cp -L /etc/resolv.conf "$room/etc/resolv.conf"
set -- "$@" --
certificates=${PIP_CERT:-${SSL_CERT_FILE:-}}
if [ -n "$certificates" ]; then
    cp -L "$certificates" "$room/etc/trial-certificates.crt"
    set -- "$@" PIP_CERT=/etc/trial-certificates.crt SSL_CERT_FILE=/etc/trial-certificates.crt
fi
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_DEFAULT_TIMEOUT \
    http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || set -- "$@" "$name=$value"
done

mount --bind /dev "$room/dev"
mount --bind /dev/pts "$room/dev/pts"
mount -t proc proc "$room/proc"
mount --bind -o ro /sys "$room/sys"
for folder in $binds; do
    mkdir -p "$room/$folder"
    mount --bind -o ro "$folder" "$room/$folder"
done

mkdir -p "$place"
git -C "$checkout" ls-files -z --cached --others --exclude-standard |
    tar -C "$checkout" --null --files-from=- --ignore-failed-read -cf - | tar -C "$place" -xf - --no-same-owner

targets=""
while [ "$1" != -- ]; do
    targets="$targets $1"
    shift
done
shift
for target in $targets; do
    echo "== make $target"
    started=$(date +%s)
    status=0
    chroot "$room" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" \
        make -C "$checkout" --no-print-directory "$target" || status=$?
    echo "== make $target: exit $status after $(($(date +%s) - started)) s"
    [ "$status" = 0 ] || exit "$status"
done
