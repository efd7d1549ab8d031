// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// protocol_counters as it is: it changes nothing of the packet.
#include "../protocol_counters.c"
#include "repeat.h"

BENCH_FORMS("xdp", bench, struct xdp_md, count_protocol)
