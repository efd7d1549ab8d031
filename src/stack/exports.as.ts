export { skbFibLookup, xdpFibLookup } from "./fib.as";
