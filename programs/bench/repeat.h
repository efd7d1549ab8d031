// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Bench forms: a run leaves the packet as it found it, so that a million runs in a row all do the same work. Every object holds two programs, NAME and
// NAME_x8; the second runs the body eight times, for what takes so little time that the call around it would be measured.
#pragma once
#include "../include/bpf.h"

/* The two programs of a bench form from its body, a function from the context to a verdict. */
#define BENCH_FORMS(section, name, context, body)                  \
  SEC(section) int name(context *ctx) {                            \
    return body(ctx);                                              \
  }                                                                \
  SEC(section) int name##_x8(context *ctx) {                       \
    int verdict = 0;                                               \
    _Pragma("clang loop unroll(disable)") for (int run = 0; run < 8; run++) { \
      verdict = body(ctx);                                         \
      barrier();                                                   \
    }                                                              \
    return verdict;                                                \
  }
