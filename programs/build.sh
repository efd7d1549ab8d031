#!/bin/sh
# Rebuilds every object from its C source, byte for byte: clang 19, no headers but programs/include, debug information stripped but for BTF,
# and no path in it but those of this folder. CLANG and STRIP name other tools; `--check` compares with what is committed and changes nothing.
set -eu
cd "$(dirname "$0")/.."
clang=${CLANG:-clang-19}
strip=${STRIP:-llvm-strip-19}
"$clang" --version | grep -q "version 19\." || echo "note: $clang is not clang 19, with which the committed objects were made" >&2

fail=0
for source in programs/*.c programs/bench/*.c programs/probes/*.c; do
  [ -e "$source" ] || continue
  object=${source%.c}.o
  built=$object
  if [ "${1:-}" = --check ]; then built=$(mktemp); fi
  "$clang" -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Werror -nostdinc -fdebug-compilation-dir=. -c "$source" -o "$built"
  "$strip" -g "$built"
  if [ "${1:-}" = --check ]; then
    cmp "$built" "$object" || fail=1
    rm -f "$built"
  fi
done
exit $fail
