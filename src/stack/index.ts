export { type ConnectionSpec, parseConnection } from "./connections.ts";
export { layOutConntrack, trackedConnections } from "./conntrack.ts";
export { layOutNetwork, type RoutedDevice } from "./network.ts";
export { type IpPrefix, parsePrefix } from "./prefix.ts";
export { type NeighbourSpec, parseNeighbour, parseRoute, type RouteSpec } from "./routes.ts";
export { socketFilterType } from "./socketFilter.ts";
export { layOutSockets, parseSocket, type SocketSpec } from "./sockets.ts";
export { layOutSynCookies, type SynCookieSettings } from "./synCookies.ts";
