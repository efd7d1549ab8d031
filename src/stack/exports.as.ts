export { skbFibLookup, xdpFibLookup } from "./fib.as";
export { sipHash } from "./sipHash.as";
export {
  tcpRawCheckSyncookieIpv4,
  tcpRawCheckSyncookieIpv6,
  tcpRawGenSyncookieIpv4,
  tcpRawGenSyncookieIpv6,
} from "./synCookie.as";
