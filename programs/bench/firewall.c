// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The firewall as it is: it changes nothing of the packet.
#include "../firewall.c"
#include "repeat.h"

BENCH_FORMS("xdp", bench, struct xdp_md, filter)
