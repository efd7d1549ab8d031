import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { openKernel } from "../../src/kernel/index.ts";
import { parseIpAddress } from "../../src/packet/index.ts";
import { keep } from "../kernel/everyEngine.ts";

const opened = openKernel();

/** The sockets of the simulated host, of which a process makes the same in the live kernel. */
export const sockets = [
  "tcp listen 127.0.0.2:80 mark 7 priority 3",
  "tcp established 127.0.0.2:80 127.0.0.9:4000 mark 7",
  "tcp listen *:81",
  "tcp listen [::]:82",
  "tcp listen [::]:83 v6only",
  "tcp listen [::1]:84",
  "tcp listen *:85 dev lo",
  "udp 127.0.0.2:53",
  "udp *:53",
  "udp *:53 dev lo",
  "udp 127.0.0.2:54 127.0.0.3:5000",
  "udp [::]:55",
  "tcp established 127.0.0.9:4000 127.0.0.2:80",
];

/** Makes the sockets, says so, and holds them until it is ended. */
const maker = `
import socket as s, sys
held = []
def make(family, kind, end, before=lambda one: None):
    one = s.socket(family, kind)
    one.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1)
    before(one)
    one.bind(end)
    if kind == s.SOCK_STREAM and end[1] != 4000: one.listen(8)
    held.append(one)
    return one
def marked(one):
    one.setsockopt(s.SOL_SOCKET, s.SO_MARK, 7)
    one.setsockopt(s.SOL_SOCKET, s.SO_PRIORITY, 3)
only = lambda value: lambda one: one.setsockopt(s.IPPROTO_IPV6, s.IPV6_V6ONLY, value)
onto = lambda one: one.setsockopt(s.SOL_SOCKET, s.SO_BINDTODEVICE, b"lo")
listener = make(s.AF_INET, s.SOCK_STREAM, ("127.0.0.2", 80), marked)
make(s.AF_INET, s.SOCK_STREAM, ("0.0.0.0", 81))
make(s.AF_INET6, s.SOCK_STREAM, ("::", 82), only(0))
make(s.AF_INET6, s.SOCK_STREAM, ("::", 83), only(1))
make(s.AF_INET6, s.SOCK_STREAM, ("::1", 84))
make(s.AF_INET, s.SOCK_STREAM, ("0.0.0.0", 85), onto)
make(s.AF_INET, s.SOCK_DGRAM, ("127.0.0.2", 53))
make(s.AF_INET, s.SOCK_DGRAM, ("0.0.0.0", 53))
make(s.AF_INET, s.SOCK_DGRAM, ("0.0.0.0", 53), onto)
make(s.AF_INET, s.SOCK_DGRAM, ("127.0.0.2", 54)).connect(("127.0.0.3", 5000))
make(s.AF_INET6, s.SOCK_DGRAM, ("::", 55), only(0))
make(s.AF_INET, s.SOCK_STREAM, ("127.0.0.9", 4000)).connect(("127.0.0.2", 80))
held.append(listener.accept())
print("made", flush=True)
sys.stdin.read()
`;

/** Runs `action` in a network namespace of its own where the same sockets are, if the live kernel is at hand. */
export async function besideSockets(action: () => void): Promise<void> {
  if (!opened.ok) return action();
  await opened.value.inNetworkNamespace(async () => {
    execFileSync("ip", ["link", "set", "lo", "up"]);
    execFileSync("sysctl", ["-qw", "net.ipv4.tcp_syncookies=2"]);
    const process: ChildProcess = spawn("python3", ["-c", maker], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      await once(process.stdout!, "data");
      action();
    } finally {
      process.stdin!.end();
      await once(process, "exit");
    }
  });
}

/** Text that writes struct bpf_sock_tuple at r10 - 48: `from` is its source. */
function tuple(from: string, to: string): { text: string; size: number } {
  const ends = [from, to].map((end) => /^\[?([^\]]+?)\]?:([0-9]+)$/.exec(end)!);
  const addresses = ends.flatMap(([, address]) => [...parseIpAddress(address!)!]);
  const bytes = [...addresses, ...ends.flatMap(([, , port]) => [Number(port) >> 8, Number(port) & 0xff])];
  return { text: bytes.map((byte, index) => `*(u8 *)(r10 ${index - 48}) = ${byte}`).join("\n"), size: bytes.length };
}

/** Text that looks a socket up and keeps it in r8; goes to `none` where there is none. */
export const lookup = (helper: string, from: string, to: string, namespace = "-1", flags = 0): string => {
  const { text, size } = tuple(from, to);
  return `${text}\nr1 = r7\nr2 = r10\nr2 += -48\nr3 = ${size}\nr4 = ${namespace}\nr5 = ${flags}\ncall ${helper}\nr8 = r0\nr0 = 0\nif r8 == 0 goto none`;
};
/** Gives the socket back; the result is 1 where there is one. */
export const release = `r1 = r8\ncall bpf_sk_release\nr0 = 1\nnone: ${keep(0)}\nr0 = 0\nexit`;
