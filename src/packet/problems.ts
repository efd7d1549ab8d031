import { defineProblems } from "../problem/index.ts";

export const problems = defineProblems({
  capture_empty: {
    message: "the capture is empty: not even a file header",
    hint: "an interrupted tcpdump leaves such files; capture again, with -U to write each packet at once",
  },
  capture_unknown: {
    message: "this is no pcap or pcapng capture: it begins with {bytes}",
    hint: "convert it with editcap -F pcapng IN OUT",
  },
  capture_is_gzip: {
    message: "the capture is packed with gzip, and nothing to unpack it was given",
    hint: "unpack it with gzip -d first",
  },
  capture_truncated: {
    message: "the capture ends inside {what}: {wanted} bytes are announced, {left} are left",
    hint: "the packets before it were kept; the file was cut short while it was written or copied",
  },
  gzip_truncated: {
    message: "the gzip stream ends before its end mark",
    hint: "the packets before it were kept; the file was cut short while it was written or copied",
  },
  gzip_damaged: {
    message: "the gzip stream is damaged: {reason}",
    hint: "the packets before the damage were kept; test the file with gzip -t",
  },
  capture_unreadable: {
    message: "the file cannot be read: {reason}",
  },
  capture_caplen: {
    message: "a record claims {caplen} captured bytes; no capture holds more than {most} of one packet",
    hint: "the packets before it were kept; the length is damaged, or bytes were lost before it",
  },
  capture_block_length: {
    message: "a block of type {type} claims a length of {length} bytes, and must have {least} to {most}",
    hint: "the packets before it were kept",
  },
  capture_block_trailer: {
    message: "a block has length {length} at its beginning and {trailer} at its end",
    hint: "the packets before it were kept",
  },
  capture_interface_id: {
    message: "a packet names interface {interface}, and this section describes {count}",
    hint: "the packets before it were kept",
  },
  capture_caplen_over_block: {
    message: "a packet claims {caplen} captured bytes, more than its block holds",
    hint: "the packets before it were kept",
  },
  capture_byte_order: {
    message: "a section header has byte-order magic {magic}, neither 1a2b3c4d nor 4d3c2b1a",
    hint: "the packets before it were kept",
  },
  capture_version: {
    message: "a section is of pcapng version {major}.{minor}; xdplane reads 1.x",
    hint: "the packets before it were kept",
  },
  capture_too_many_interfaces: {
    message: "more than {most} interfaces are described in one {where}",
    hint: "the packets before it were kept; split the capture with editcap",
  },
  capture_time_range: {
    message: "a pcap file has no room for the time {time} ns: its seconds are 32 bits",
    hint: "write pcapng",
    exit: 2,
  },
  capture_link_type: {
    message: "interface {interface} has link type {name}, and a device receives Ethernet frames",
    hint: "{hint}",
  },
});
