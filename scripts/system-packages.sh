#!/bin/sh
# Usage: system-packages.sh PYTHON
# Makes sure that the system has what pip cannot bring: venv, and the libraries that opencv-python links to.
# As root on Debian or Ubuntu it installs what is missing, and nothing else; otherwise it names it and stops.
set -eu

python=$1
if ! command -v "$python" >/dev/null; then
    echo "error: $python not found. Vedette needs Python 3.11 or newer (Debian, Ubuntu: apt-get install python3)" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: Vedette needs Python 3.11 or newer, $python is $("$python" -V). Name another: make PYTHON=python3.12 ..." >&2
    exit 1
fi

loads() { "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null; }

missing=""
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    case $python in
        *python3.*) missing="$missing $(basename "$python")-venv" ;;
        *) missing="$missing python3-venv" ;;
    esac
fi
if [ "$(uname -s)" = Linux ]; then
    loads libGL.so.1 || missing="$missing libgl1"
    loads libgthread-2.0.so.0 || missing="$missing libglib2.0-0"
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: system packages are missing; install them and run make again:" >&2
    echo "    sudo apt-get install -y$missing" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
echo "installing system packages:$missing"
install() {
    # shellcheck disable=SC2086  # one word per package
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing >/dev/null
}
# A machine that was never updated knows no packages, or old addresses of them: update only then.
install 2>/dev/null || { apt-get update -qq && install; }
