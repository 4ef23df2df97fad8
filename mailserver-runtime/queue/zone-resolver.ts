/** The room's tests take their zone from the one that all rooms share. */
export { zoneResolver } from "../dns/zone-for-tests.ts";
