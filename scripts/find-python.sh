#!/bin/sh
# Prints the first Python of version 3.11 or newer on this machine, the system's own first; else "python3".
for python in python3 python3.13 python3.12 python3.11 python3.14; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$python"
        exit 0
    fi
done
echo python3
