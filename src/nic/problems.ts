import { defineProblems } from "../problem/index.ts";

export const problems = defineProblems({
  device_setting: { message: "device {name}: {what} is {value}, expected {expected}", exit: 2 },
  xdp_mode_conflict: {
    message: "device {name} has a {there} XDP program; native and generic exclude each other (-EEXIST)",
    hint: "attach both programs in the same mode, or to two devices",
    exit: 2,
  },
  xdp_attached: { message: "device {name} has an XDP program already (-EBUSY)", hint: "detach it first", exit: 2 },
  xdp_mtu: {
    message: "device {name}: an MTU of {mtu} needs more than one buffer a frame, and the program was not loaded for that (-ERANGE)",
    hint: "use an MTU of at most {limit}, or --mode generic",
    exit: 2,
  },
  chain_full: { message: "device {name} has {limit} programs at its {hook} hook, and takes no more", exit: 2 },
});
