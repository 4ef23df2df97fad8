/** IP addresses as the server writes, counts and compares them. */
import { BlockList, isIP } from "node:net";

/** An address in its plain form: IPv4-mapped IPv6 as IPv4 (RFC 4291 §2.5.5.2), without a zone, lower case. */
export function normalAddress(address: string): string {
  const zone = address.indexOf("%");
  const plain = (zone === -1 ? address : address.slice(0, zone)).toLowerCase();
  if (plain.startsWith("::ffff:") && isIP(plain.slice(7)) === 4) return plain.slice(7);
  return plain;
}

/** What is counted as one client: an IPv4 address, or the /64 of an IPv6 address, which one site has whole. */
export function clientKey(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const rest = tail === "" ? [] : tail.split(":");
    const tailGroups = rest.length + (rest.at(-1)?.includes(".") ? 1 : 0);
    while (groups.length + tailGroups < 8) groups.push("0");
    groups.push(...rest);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}

/** Addresses (`192.0.2.1`) and networks (`192.0.2.0/24`, `2001:db8::/32`) as one look-up. Throws RangeError naming the entry it cannot read. */
export function networkList(entries: readonly string[]): { has(address: string): boolean } {
  const list = new BlockList();
  for (const entry of entries) {
    const [text = "", bits, extra] = entry.split("/");
    const address = normalAddress(text);
    const family = isIP(address);
    const prefix = bits === undefined ? undefined : Number(bits);
    const widest = family === 4 ? 32 : 128;
    const badPrefix =
      prefix !== undefined && !(/^\d{1,3}$/.test(bits ?? "") && prefix >= 0 && prefix <= widest);
    if (family === 0 || extra !== undefined || badPrefix)
      throw new RangeError(`"${entry}" is not an IP address or a network like 192.0.2.0/24.`);
    const type = family === 4 ? "ipv4" : "ipv6";
    if (prefix === undefined) list.addAddress(address, type);
    else list.addSubnet(address, prefix, type);
  }
  return {
    has(address) {
      const family = isIP(address);
      return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
    },
  };
}
