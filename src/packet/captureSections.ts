import { CaptureLink, CaptureState } from "../layout/index.ts";
import type { Problem } from "../problem/index.ts";
import type { InterfaceDescription, Section } from "./blocks.ts";
import type { CaptureMemory } from "./captureWindow.ts";
import { isEthernet, type LinkPolicy, linkTreatment } from "./linkTypes.ts";
import { type BlockOption, optionsLength } from "./options.ts";
import { problems } from "./problems.ts";
import type { SourceInterface } from "./source.ts";
import { tickConversion } from "./timeResolution.ts";

/** Interfaces of one section that the walker's table has room for. */
export const MAX_LINKS = 1024;
/** Interfaces of a whole capture whose descriptions are kept. */
const MAX_INTERFACES = 65536;
/** Bytes of blocks whose options are kept, over the whole capture: more than any tool writes, and little enough to hold. */
const MAX_KEPT = 16 << 20;

/** An interface of a capture, with all that its section says of it. A pcap file has one, made from the file header. */
export interface CaptureInterface extends SourceInterface, Omit<InterfaceDescription, "linkType" | "snaplen" | "name" | "description"> {
  readonly littleEndian: boolean;
}

/**
 * The sections and interfaces of a capture, as they are met, and the walker's table of the current section's interfaces (layout/capture.ts: CaptureLink). A pass
 * after a rewind meets those of the first again: the lists then stay as they are, and the table is written anew.
 */
export class CaptureSections {
  readonly interfaces: CaptureInterface[] = [];
  readonly sections: Section[] = [];
  readonly #memory: CaptureMemory;
  readonly #state: number;
  readonly #links: number;
  readonly #policy: LinkPolicy;
  readonly #warn: (sentence: string) => void;
  #kept = 0;
  #passSections = 0;
  #passInterfaces = 0;

  /** `state`: address of the CaptureState. `links`: address of the table. */
  constructor(memory: CaptureMemory, state: number, links: number, policy: LinkPolicy, warn: (sentence: string) => void) {
    this.#memory = memory;
    this.#state = state;
    this.#links = links;
    this.#policy = policy;
    this.#warn = warn;
    this.#set("links", links);
  }

  #get(field: keyof typeof CaptureState.at): number {
    return CaptureState.read(this.#memory.view, this.#state, field);
  }

  #set(field: keyof typeof CaptureState.at, value: number): void {
    CaptureState.write(this.#memory.view, this.#state, field, value);
  }

  /** Number of the current section, from 0. */
  get section(): number {
    return Math.max(this.#passSections - 1, 0);
  }

  /** A pass begins at the first byte again. */
  rewind(): void {
    this.#passSections = 0;
    this.#passInterfaces = 0;
  }

  /** The one interface of a pcap file, whose file is its section. */
  beginFile(description: InterfaceDescription, littleEndian: boolean): Problem | undefined {
    this.#set("first_interface", 0);
    return this.addInterface(description, littleEndian);
  }

  /** A section header block: its interfaces count from 0. */
  beginSection(section: Section): Problem | undefined {
    const { major, minor, littleEndian } = section;
    if (major !== 1) return problems.capture_version({ major, minor });
    // A capture may have millions of sections; what it is read into stays small.
    if (this.#passSections === this.sections.length && this.sections.length < MAX_INTERFACES)
      this.sections.push({ ...section, options: this.#keep(section.options) });
    this.#passSections++;
    this.#set("swapped", littleEndian ? 0 : 1);
    this.#set("first_interface", this.#passInterfaces);
    this.#set("link_count", 0);
    return undefined;
  }

  /** Adds the next interface of this pass to the walker's table, and to the list where it is new. */
  addInterface(description: InterfaceDescription, littleEndian: boolean): Problem | undefined {
    const index = this.#passInterfaces++;
    const link = index - this.#get("first_interface");
    if (link >= MAX_LINKS) return problems.capture_too_many_interfaces({ most: MAX_LINKS, where: "section" });
    if (index >= MAX_INTERFACES) return problems.capture_too_many_interfaces({ most: MAX_INTERFACES, where: "capture" });
    if (index === this.interfaces.length) {
      const options = this.#keep(description.options);
      this.interfaces.push({ ...description, options, index, section: this.section, littleEndian });
    }
    this.#writeLink(this.#links + link * CaptureLink.size, description);
    this.#set("link_count", link + 1);
    return undefined;
  }

  #writeLink(at: number, { linkType, fcsLength, snaplen, timeResolution, timeOffset }: InterfaceDescription): void {
    const { kind, convert } = linkTreatment(linkType, this.#policy);
    const { view } = this.#memory;
    CaptureLink.write(view, at, "kind", kind);
    CaptureLink.write(view, at, "convert", convert ? 1 : 0);
    CaptureLink.write(view, at, "strip_fcs", this.#policy !== "as-is" && isEthernet(linkType) ? 1 : 0);
    CaptureLink.write(view, at, "fcs_length", fcsLength);
    CaptureLink.write(view, at, "snaplen", snaplen);
    const time = tickConversion(timeResolution, timeOffset);
    CaptureLink.write(view, at, "time_kind", time.time_kind);
    for (const field of ["time_factor", "time_limit", "offset_ns", "offset_seconds"] as const)
      CaptureLink.writeBig(view, at, field, time[field]);
  }

  /** The options, as long as there is room for them. */
  #keep(options: readonly BlockOption[]): readonly BlockOption[] {
    this.#kept += optionsLength(options);
    if (this.#kept <= MAX_KEPT) return options;
    this.#warn(`sections and interfaces have more than ${MAX_KEPT >> 20} MiB of options; those of the later ones were left out`);
    return [];
  }
}
