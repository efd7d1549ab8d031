/**
 * Declared sockets (layout/socket.ts) as programs and user space name them: programs by a pointer to a struct bpf_sock or bpf_tcp_sock, user space, in the place of a file
 * descriptor, by the number of the declaration, from 1, which is the socket's cookie too.
 */
import {
  CpuBlock_network,
  NetNamespace_socket_array,
  NetNamespace_socket_count,
  Socket_SIZE,
  Socket_state,
  Socket_tcp,
  TCP_NEW_SYN_RECV,
  TCP_TIME_WAIT,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

function offsetOf(pointer: u32): u32 {
  return pointer - load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_socket_array);
}

/** The socket that a program's pointer leads to; ends the run if it is none that was declared, for nobody has proved that it is. */
export function declaredSocket(pointer: u32): u32 {
  const offset = offsetOf(pointer);
  const within = offset % Socket_SIZE;
  const count = load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_socket_count);
  if (offset >= count * Socket_SIZE || (within != 0 && within != Socket_tcp)) unreachable();
  return pointer - within;
}

/** Which of the declared sockets this is, from 0. */
export function socketIndex(socket: u32): u32 {
  return offsetOf(socket) / Socket_SIZE;
}

/** The socket that user space names by this number, or 0. */
export function numberedSocket(number: u64): u32 {
  const namespace = load<u32>(cpu, CpuBlock_network);
  if (number - 1 >= u64(load<u32>(namespace, NetNamespace_socket_count))) return 0;
  return load<u32>(namespace, NetNamespace_socket_array) + (u32(number) - 1) * Socket_SIZE;
}

/** Whether a socket is one with all its state, not the remains or the beginning of a connection (sk_fullsock). */
export function isFullSocket(socket: u32): bool {
  const state = load<u32>(socket, Socket_state);
  return state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV;
}
