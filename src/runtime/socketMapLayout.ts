import { MapHeader, NetNamespace, SkStorageHeader } from "../layout/index.ts";
import { type MapPlace, padded } from "./mapLayout.ts";

/** Sockets that were declared before the map was made; there are no others later. */
const socketCount = ({ memory, network }: MapPlace): number =>
  network === 0 ? 0 : NetNamespace.read(memory.view, network, "socket_count");

/** runtime/maps/skStorage.as.ts: a word for each socket, another for the place that its value had last, and two places. */
export function layOutSkStorage(place: MapPlace): void {
  const { memory, spec, address } = place;
  const count = socketCount(place);
  const stride = padded(spec.valueSize);
  const values = memory.allocate("engine", count * 8, 64, spec.name);
  const elements = memory.allocate("program", count * 2 * stride, 64, spec.name);
  MapHeader.write(memory.view, address, "stride", stride);
  MapHeader.write(memory.view, address, "elements", elements);
  SkStorageHeader.write(memory.view, address, "values", values);
  SkStorageHeader.write(memory.view, address, "sockets", count);
}
