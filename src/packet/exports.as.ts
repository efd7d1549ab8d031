export { captureWalk } from "./capture.as";
