/** AF_XDP sockets in copy mode: a frame that an XSKMAP leads to is copied into a chunk of the fill ring. net/xdp/xsk.c: xsk_rcv, xsk_generic_rcv. */
import {
  EINVAL,
  ENOMEM,
  ENOSPC,
  EVENT_XSK,
  FATE_XSK,
  Frame_data,
  Frame_data_end,
  XdpSocket_device,
  XdpSocket_fill,
  XdpSocket_number,
  XdpSocket_queue,
  XdpSocket_room,
} from "../layout/layout.generated.as";
import { showFrame } from "./events.as";
import { queueIndex } from "./netifReceive.as";
import { arrive } from "./outcome.as";

/** Gives 0, -EINVAL for a socket of another device or queue, -ENOSPC for a frame longer than a chunk, -ENOMEM when the fill ring is empty. */
export function toXdpSocket(state: u32, frame: u32, socket: u32, received: u32): i32 {
  if (socket == 0 || load<u32>(socket, XdpSocket_device) != received || load<u32>(socket, XdpSocket_queue) != queueIndex(state, frame)) return -i32(EINVAL);
  if (load<u32>(frame, Frame_data_end) - load<u32>(frame, Frame_data) > load<u32>(socket, XdpSocket_room)) return -i32(ENOSPC);
  const fill = load<u32>(socket, XdpSocket_fill);
  if (fill == 0) return -i32(ENOMEM);
  store<u32>(socket, fill - 1, XdpSocket_fill);
  showFrame(state, EVENT_XSK, received, frame, load<u32>(socket, XdpSocket_number), 0);
  arrive(state, frame, FATE_XSK, 0);
  return 0;
}
