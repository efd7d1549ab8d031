/**
 * Declared sockets (layout/socket.ts) as programs and user space name them: programs by a pointer to a struct bpf_sock or bpf_tcp_sock, user space, in the place of a file
 * descriptor, by the number of the declaration, from 1, which is the socket's cookie too.
 */
import {
  AF_INET6,
  CpuBlock_network,
  KernelSocket_SIZE,
  NetNamespace_kernel_sockets,
  NetNamespace_socket_array,
  NetNamespace_socket_count,
  REQUEST_SOCKETS,
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

/** Declared sockets, and the beginnings of connections behind them; 0 where none is declared. */
function socketLimit(): u32 {
  const count = load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_socket_count);
  return count == 0 ? 0 : count + REQUEST_SOCKETS;
}

/**
 * The socket that a program's pointer leads to, be it a struct bpf_sock, a bpf_tcp_sock or the kernel's own; ends the run if it is none that was declared, for nobody has
 * proved that it is.
 */
export function declaredSocket(pointer: u32): u32 {
  const namespace = load<u32>(cpu, CpuBlock_network);
  const limit = socketLimit();
  const kernel = pointer - load<u32>(namespace, NetNamespace_kernel_sockets);
  if (kernel < limit * KernelSocket_SIZE && kernel % KernelSocket_SIZE == 0)
    return load<u32>(namespace, NetNamespace_socket_array) + (kernel / KernelSocket_SIZE) * Socket_SIZE;
  const offset = offsetOf(pointer);
  const within = offset % Socket_SIZE;
  if (offset >= limit * Socket_SIZE || (within != 0 && within != Socket_tcp)) unreachable();
  return pointer - within;
}

/** The KernelSocket of a socket. */
export function kernelSocket(socket: u32): u32 {
  return load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_kernel_sockets) + socketIndex(socket) * KernelSocket_SIZE;
}

/** The beginning of a connection to a listener of the family. */
export function requestSocket(family: u32): u32 {
  const namespace = load<u32>(cpu, CpuBlock_network);
  const place = load<u32>(namespace, NetNamespace_socket_count) + u32(family == AF_INET6);
  return load<u32>(namespace, NetNamespace_socket_array) + place * Socket_SIZE;
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
