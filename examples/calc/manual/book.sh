#!/bin/sh
# Puts the manual together from its parts. Usage: book.sh DIRECTORY > manual.md
set -eu
cat intro.md
for example in examples/*.calc; do
    name=$(basename "$example" .calc)
    printf '\n### %s\n\n```\n' "$name"
    cat "$example"
    printf '```\n\nprints\n\n```\n'
    cat "$1/examples/$name.txt"
    printf '```\n'
done
printf '\n'
cat "$1/reference.md"
