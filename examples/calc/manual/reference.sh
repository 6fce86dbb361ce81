#!/bin/sh
# Writes the reference tables. Usage: reference.sh BUILTINS OPCODES... > reference.md
set -eu
printf '## Built-in functions\n\n| function | arguments | meaning |\n| --- | --- | --- |\n'
awk '!/^#/ && NF >= 3 { name = $1; n = $2; $1 = $2 = ""; sub(/^ +/, ""); printf "| `%s` | %d | %s |\n", name, n, $0 }' "$1"
shift
printf '\n## Instructions of the machine\n\n| instruction | operand | meaning |\n| --- | --- | --- |\n'
awk '!/^#/ && NF >= 3 { name = $1; kind = $2; $1 = $2 = ""; sub(/^ +/, "")
                        printf "| `%s` | %s | %s |\n", name, kind == "none" ? "" : kind, $0 }' "$@"
