import { ProblemError } from "../../problem/index.ts";
import { wholeNumber } from "./number.ts";
import { problems } from "./problems.ts";
import { type ProgramReference, parseProgramReference } from "./programReference.ts";

export type XdpMode = "native" | "generic";

/** A simulated device as the command line describes it. What is absent takes the dataplane's default. */
export interface DeviceRequest {
  readonly name: string;
  readonly mac?: string;
  readonly ifindex?: number;
  readonly mtu?: number;
  readonly addresses: readonly string[];
  readonly queues?: number;
  readonly ring?: number;
  readonly mode?: XdpMode;
  readonly xdp?: ProgramReference;
  readonly ingress: readonly ProgramReference[];
  readonly egress: readonly ProgramReference[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Omit<Mutable<DeviceRequest>, "addresses" | "ingress" | "egress"> & {
  addresses: string[];
  ingress: ProgramReference[];
  egress: ProgramReference[];
};

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;
/** As many as an indirection table has entries. */
const MOST_QUEUES = 128;
const MODES: readonly string[] = ["native", "generic"] satisfies XdpMode[];

/**
 * Collects `--dev` and the options that belong to the last `--dev` before them, in the order of the command line. Options before the first
 * `--dev` belong to it; with no `--dev` at all there is one device, eth0.
 */
export class DeviceOptions {
  readonly #drafts: Draft[] = [];
  #early: Draft = emptyDraft("");

  get #current(): Draft {
    return this.#drafts.at(-1) ?? this.#early;
  }

  dev(text: string): void {
    const [name = "", ...settings] = text.split(",");
    if (!/^[^\s/:=]{1,15}$/.test(name))
      throw usage("--dev", text, "not a device name", "up to 15 characters, no space, slash or colon, as in eth0");
    if (this.#drafts.some((draft) => draft.name === name)) throw new ProblemError(problems.option_device_twice({ name }));
    const draft: Draft = this.#drafts.length === 0 ? { ...this.#early, name } : emptyDraft(name);
    this.#drafts.push(draft);
    this.#early = emptyDraft("");
    for (const setting of settings) applySetting(draft, setting, text);
  }

  xdp(text: string): void {
    if (this.#current.xdp !== undefined) throw usage("--xdp", text, "this device has an XDP program already", "one XDP program a device");
    this.#current.xdp = parseProgramReference(text);
  }

  ingress(text: string): void {
    this.#current.ingress.push(parseProgramReference(text));
  }

  egress(text: string): void {
    this.#current.egress.push(parseProgramReference(text));
  }

  mode(text: string): void {
    this.#current.mode = parseMode(text, "--mode");
  }

  queues(text: string): void {
    this.#current.queues = wholeNumber("--queues", 1, MOST_QUEUES)(text);
  }

  /** The devices in the order in which they were named. */
  finish(): DeviceRequest[] {
    return this.#drafts.length > 0 ? [...this.#drafts] : [{ ...this.#early, name: "eth0" }];
  }
}

function emptyDraft(name: string): Draft {
  return { name, addresses: [], ingress: [], egress: [] };
}

function parseMode(text: string, option: string): XdpMode {
  if (!MODES.includes(text)) throw usage(option, text, "not an XDP mode that xdplane has", "native or generic");
  return text as XdpMode;
}

function applySetting(draft: Draft, setting: string, whole: string): void {
  const equals = setting.indexOf("=");
  const key = setting.slice(0, equals);
  const value = setting.slice(equals + 1);
  const reject = (reason: string, expected: string) => usage("--dev", whole, reason, expected);
  if (equals < 0) throw reject(`"${setting}" is not KEY=VALUE`, "one of mac=, ifindex=, mtu=, addr=, queues=, ring=, mode=");
  switch (key) {
    case "mac":
      if (!MAC.test(value)) throw reject(`"${value}" is not a MAC address`, "six hexadecimal bytes, as in 02:00:00:00:00:01");
      draft.mac = value.toLowerCase();
      return;
    case "ifindex":
      draft.ifindex = wholeNumber("--dev ifindex=", 1, 0x7fffffff)(value);
      return;
    case "mtu":
      draft.mtu = wholeNumber("--dev mtu=", 68, 65535)(value);
      return;
    case "addr":
      draft.addresses.push(value);
      return;
    case "queues":
      draft.queues = wholeNumber("--dev queues=", 1, MOST_QUEUES)(value);
      return;
    case "ring":
      draft.ring = wholeNumber("--dev ring=", 64, 8192)(value);
      return;
    case "mode":
      draft.mode = parseMode(value, "--dev mode=");
      return;
    default:
      throw reject(`"${key}" is not a setting of a device`, "one of mac=, ifindex=, mtu=, addr=, queues=, ring=, mode=");
  }
}

function usage(option: string, value: string, reason: string, expected: string): ProblemError {
  return new ProblemError(problems.option_value({ option, value, reason, expected }));
}
