/** Whether an address is one of the internet's, or of a network of somebody's own (RFC 6890). */
import { isIP } from "node:net";
import { networkList, normalAddress } from "./address.ts";

const special = networkList([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/3",
  "::/96",
  "64:ff9b::/96",
  "fc00::/7",
  "fe80::/10",
  "ff00::/8",
]);

/** False for what is no address. */
export function isPublicAddress(address: string): boolean {
  return isIP(address) !== 0 && !special.has(normalAddress(address));
}
