export { rssHash } from "./rss.as";
export { openWindow, steer } from "./steer.as";
