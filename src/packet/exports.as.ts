export { csumDiff } from "./csumDiff.as";
export { captureWalk } from "./capture.as";
