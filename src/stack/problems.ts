import { defineProblems } from "../problem/index.ts";

export const problems = defineProblems({
  route_malformed: {
    message: "route '{text}': {what}",
    hint: "as ip-route takes it: [TYPE] PREFIX [via ADDRESS] [dev DEVICE] [src ADDRESS] [metric N] [mtu lock N] [table main|local]",
    exit: 2,
  },
  neighbour_malformed: {
    message: "neighbour '{text}': {what}",
    hint: "as ip-neighbour takes it: ADDRESS lladdr MAC dev DEVICE [nud STATE]",
    exit: 2,
  },
  route_device_unknown: { message: "{text}: there is no device {device}", hint: "devices: {known}", exit: 2 },
  route_gateway_unreachable: {
    message: "{text}: no device's own network holds the gateway {gateway}",
    hint: "name the device with dev DEVICE, or give it an address with --dev DEVICE,addr=ADDRESS/LENGTH",
    exit: 2,
  },
  socket_malformed: {
    message: "socket '{text}': {what}",
    hint: "tcp listen ADDRESS:PORT, tcp established|time-wait LOCAL PEER, or udp LOCAL [PEER]; then dev DEVICE, v6only, mark N, priority N, uid N, cgroup PATH",
    exit: 2,
  },
  socket_device_unknown: { message: "socket '{text}': there is no device {device}", hint: "devices: {known}", exit: 2 },
  connection_malformed: {
    message: "connection '{text}': {what}",
    hint: "as conntrack -L prints it: tcp|udp [SECONDS] [STATE] src=IP dst=IP sport=N dport=N [src=… of the replies] [UNREPLIED] [ASSURED] [mark=N] [zone=N]",
    exit: 2,
  },
  connection_twice: { message: "connection '{text}': packets of its tuple belong to another one already", exit: 2 },
  connections_too_many: { message: "{count} connections do not fit in a table of {limit}", exit: 2 },
  xfrm_state_malformed: {
    message: "xfrm state '{text}': {what}",
    hint: "as ip-xfrm takes it: src IP dst IP proto esp|ah|comp spi N [reqid N] [mode MODE] [replay-window N] [flag …] [mark N [mask N]] [if_id N] [sel …] [limit …]",
    exit: 2,
  },
  too_many_cgroups: { message: "cgroup {path}: {limit} cgroups are named already, and there is no room for more", exit: 2 },
  syncookie_keys_size: {
    message: "the keys of SYN cookies have {size} bytes, expected {expected}",
    hint: "four SipHash keys of 16 bytes: two for IPv4, then two for IPv6",
    exit: 2,
  },
  route_twice: { message: "{text}: this prefix has a route of metric {metric} already", exit: 2 },
});
