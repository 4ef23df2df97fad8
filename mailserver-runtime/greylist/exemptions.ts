/**
 * Who is never greylisted: docker-mailserver's `whitelist_clients.local` and `whitelist_recipients`, in Postgrey's syntax.
 *
 * A client is named by its network (`192.0.2.1`, `192.0.2`, `192.0.2.0/24`), by its host name or a domain above it, or by
 * `/a pattern/` over the host name; the name must lead back to the address. A recipient by its address, its domain, or
 * `name@` at any domain, or `/a pattern/` over the address.
 */
import { BlockList, isIP } from "node:net";
import { readIfPresent } from "../config/durable-file.ts";
import { loadLinearRegex } from "../filter/rules/linear-regex.ts";
import type { Log } from "../net/log.ts";

export interface Exemptions {
  readonly isEmpty: boolean;
  client(address: string): boolean;
  /** Whether a host name would exempt anybody: only then is it worth a look-up. */
  readonly asksNames: boolean;
  clientName(name: string): boolean;
  recipient(address: string): boolean;
}
export const noExemptions: Exemptions = {
  isEmpty: true,
  asksNames: false,
  client: () => false,
  clientName: () => false,
  recipient: () => false,
};

/** Reads both files; one that is not there exempts nobody, and a line that is not understood is named in the log. */
export async function loadExemptions(directory: string, log: Log): Promise<Exemptions> {
  const [clients, recipients] = await Promise.all(
    ["whitelist_clients.local", "whitelist_recipients"].map(async (name) =>
      ((await readIfPresent(`${directory}/${name}`)) ?? "").split("\n").map((text, index) => ({
        text: text.replace(/#.*/, "").trim(),
        place: `${name}:${index + 1}`,
      })),
    ),
  );
  const networks = new BlockList();
  const names = new Set<string>();
  const namePatterns: ((text: string) => boolean)[] = [];
  const addresses = new Set<string>();
  const addressPatterns: ((text: string) => boolean)[] = [];
  let count = 0;
  const refuse = (place: string, reason: string): void =>
    log.error({ event: "whitelist-line", place, reason }, `${place} is not understood: ${reason}`);
  const pattern = async (text: string, place: string, into: ((text: string) => boolean)[]): Promise<void> => {
    try {
      const compiled = (await loadLinearRegex())(text.slice(1, text.lastIndexOf("/")), "i");
      into.push((tried) => compiled.matches(tried));
    } catch (error) {
      refuse(place, error instanceof Error ? error.message : String(error));
    }
  };
  for (const { text, place } of clients ?? []) {
    if (text === "") continue;
    count += 1;
    if (/^\/.+\/$/.test(text)) await pattern(text, place, namePatterns);
    else if (!addNetwork(networks, text)) names.add(text.toLowerCase().replace(/^\./, ""));
  }
  for (const { text, place } of recipients ?? []) {
    if (text === "") continue;
    count += 1;
    if (/^\/.+\/$/.test(text)) await pattern(text, place, addressPatterns);
    else addresses.add(text.toLowerCase().replace(/^@/, ""));
  }
  const isBelow = (name: string, set: ReadonlySet<string>): boolean => {
    for (let at = 0; at !== -1; at = name.indexOf(".", at + 1))
      if (set.has(at === 0 ? name : name.slice(at + 1))) return true;
    return false;
  };
  return {
    isEmpty: count === 0,
    asksNames: names.size + namePatterns.length > 0,
    client: (address) => networks.check(address, address.includes(":") ? "ipv6" : "ipv4"),
    clientName: (name) =>
      isBelow(name.toLowerCase(), names) || namePatterns.some((matches) => matches(name.toLowerCase())),
    recipient(given) {
      const address = given.toLowerCase();
      const at = address.lastIndexOf("@");
      return (
        addresses.has(address) ||
        addresses.has(address.slice(0, at + 1)) ||
        isBelow(address.slice(at + 1), addresses) ||
        addressPatterns.some((matches) => matches(address))
      );
    },
  };
}

/** `192.0.2` is the /24, `192.0` the /16, as Postgrey reads them. */
function addNetwork(networks: BlockList, text: string): boolean {
  const [base = "", bits] = text.split("/");
  const family = isIP(base);
  if (family !== 0 && (bits === undefined || /^\d{1,3}$/.test(bits))) {
    const length = bits === undefined ? (family === 6 ? 128 : 32) : Number(bits);
    if (length > (family === 6 ? 128 : 32)) return false;
    networks.addSubnet(base, length, family === 6 ? "ipv6" : "ipv4");
    return true;
  }
  const parts = /^\d{1,3}(?:\.\d{1,3}){0,2}\.?$/.test(text) ? text.replace(/\.$/, "").split(".") : [];
  if (parts.length === 0 || parts.some((part) => Number(part) > 255)) return false;
  networks.addSubnet([...parts, "0", "0", "0"].slice(0, 4).join("."), parts.length * 8, "ipv4");
  return true;
}
