export { csumDiff } from "./csumDiff.as";
