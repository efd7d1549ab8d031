#!/bin/sh
# Builds the objects of this folder: see README.md. Needs clang 14 and 19, and libbpf's headers.
set -e
cd "$(dirname "$0")"
include="-I/usr/include/$(uname -m)-linux-gnu"
build() { # compiler, output, source, options
  compiler=$1 output=$2 source=$3
  shift 3
  "$compiler" -O2 -target bpf $include -fdebug-compilation-dir=. "$@" -c "$source" -o "$output"
}
strip() { llvm-strip-19 -g "$@"; }

build clang-19 everything.clang19.o everything.c -g -mcpu=v3
build clang-14 everything.clang14.o everything.c -g -mcpu=v2
build clang-19 everything.v4.o everything.c -g -mcpu=v4
build clang-19 everything.be.o everything.c -g -mcpu=v3 -target bpfeb
strip everything.*.o
build clang-19 sections.o sections.c -mcpu=v1 -Wno-visibility
build clang-19 externs.o externs.c -g -mcpu=v3
strip externs.o
build clang-19 exceptions.o exceptions.c -g -mcpu=v3
strip exceptions.o
build clang-19 core.o core.c -g -mcpu=v3
strip core.o
build clang-19 kconfig.o kconfig.c -g -mcpu=v3
strip kconfig.o
for size in 20 28 36 40; do build clang-14 legacy$size.o legacy.c -DDEFINITION=$size; done
