/** iprev (RFC 8601 §3): the names of an address, and whether one of them leads back to it. */
import { isIP } from "node:net";
import { ipAddress, reverseName } from "../dns/addresses.ts";
import type { MailauthResolver } from "../dns/mailauth-resolver.ts";
import { networkList, normalAddress } from "../net/address.ts";
import type { Reverse } from "./check.ts";

/** Addresses that no public name server knows. */
const ownNetworks = networkList([
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "::1",
  "fc00::/7",
  "fe80::/10",
]);
/** Names of one address that are tried (RFC 8601 §3: a limit is needed). */
const MAX_NAMES = 5;

/** Looks the address up; undefined for one of a private network, whose names nobody vouches for. */
export async function reverseOf(client: string, resolver: MailauthResolver): Promise<Reverse | undefined> {
  const address = normalAddress(client);
  const pointer = reverseName(address);
  if (pointer === undefined || ownNetworks.has(address)) return undefined;
  try {
    const names = (await resolver(pointer, "PTR")).filter((name) => typeof name === "string");
    for (const name of names.slice(0, MAX_NAMES)) {
      const addresses = await resolver(name, isIP(address) === 4 ? "A" : "AAAA").catch(nothingFound);
      if (
        addresses.some((one) => typeof one === "string" && ipAddress(one)?.text === ipAddress(address)?.text)
      )
        return { result: "pass", name };
    }
    return { result: "fail", name: names[0] };
  } catch (error) {
    return { result: isAbsence(error) ? "fail" : "temperror", name: undefined };
  }
}

function nothingFound(error: unknown): unknown[] {
  if (isAbsence(error)) return [];
  throw error;
}

function isAbsence(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === "ENOTFOUND" || code === "ENODATA";
}
