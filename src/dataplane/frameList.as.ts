/** Lists of frames, linked through their headers: three words in a struct, first, last and count. */
import { Frame_next } from "../layout/layout.generated.as";
import { step } from "./steps.as";

export function listLength(list: u32): u32 {
  return load<u32>(list, 8);
}

export function appendFrame(list: u32, frame: u32): void {
  store<u32>(frame, 0, Frame_next);
  const last = load<u32>(list, 4);
  if (last == 0) store<u32>(list, frame);
  else store<u32>(last, frame, Frame_next);
  store<u32>(list, frame, 4);
  store<u32>(list, load<u32>(list, 8) + 1, 8);
}

/** Takes the first frame out of the list, or gives 0. */
export function takeFirst(list: u32): u32 {
  const frame = load<u32>(list);
  if (frame == 0) return 0;
  step();
  const next = load<u32>(frame, Frame_next);
  store<u32>(list, next);
  if (next == 0) store<u32>(list, 0, 4);
  store<u32>(list, load<u32>(list, 8) - 1, 8);
  return frame;
}

/** Moves all frames of `from` to the end of `to`. */
export function moveList(to: u32, from: u32): void {
  const first = load<u32>(from);
  if (first == 0) return;
  const last = load<u32>(to, 4);
  if (last == 0) store<u32>(to, first);
  else store<u32>(last, first, Frame_next);
  store<u32>(to, load<u32>(from, 4), 4);
  store<u32>(to, load<u32>(to, 8) + load<u32>(from, 8), 8);
  store<u64>(from, 0);
  store<u32>(from, 0, 8);
}
