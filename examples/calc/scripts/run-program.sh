#!/bin/sh
# Runs a program and compares what it writes. Usage: run-program.sh CALC PROGRAM EXPECTED
set -eu
calc=$1 program=$2 expected=$3
status=0
actual=$("$calc" run "$program" 2>&1) || status=$?
if [ "$actual" != "$(cat "$expected")" ]; then
    printf '%s: wrote (status %s)\n%s\ninstead of\n' "$program" "$status" "$actual"
    cat "$expected"
    exit 1
fi
printf '%s: as expected\n' "$program"
