/**
 * Facts of a host before it is asked: in a preview that makes it, its keys and perhaps its addresses are not known, and still
 * every record has to be shown. Placeholders stand for what is not known: two plans made with different ones tell which
 * records hang on it, since all others come out equal.
 */
import type { DkimAlgorithm } from "../../mailserver-runtime/settings/dkim-selectors.ts";
import type { HostFacts } from "../stack-records.ts";

/** An address as declared: itself, or undefined where only another resource can tell it. */
export type DeclaredAddress = string | undefined;

/** A key that the host makes, or revokes; its selector is known. */
export interface UnknownKey {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: DkimAlgorithm;
}

export interface UnknownFacts {
  readonly keys: readonly UnknownKey[];
  readonly ipv4: readonly DeclaredAddress[];
  readonly ipv6: readonly DeclaredAddress[];
}

/** Which of two sets of placeholders. */
type Assumption = 1 | 2;

const IPV4 = { 1: "192.0.2.", 2: "198.51.100." } as const;
const IPV6 = { 1: "2001:db8:1::", 2: "2001:db8:2::" } as const;
/** A SubjectPublicKeyInfo of RSA with 2048 bits up to its modulus, and from there (RFC 8017 §A.1.1). */
const RSA_HEAD = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
const RSA_TAIL = "0203010001";

export function placeholders({ keys, ipv4, ipv6 }: UnknownFacts, set: Assumption): HostFacts {
  const digit = (set === 1 ? "a" : "b").repeat(2);
  const publicKeys = {
    rsa: Buffer.from(`${RSA_HEAD}${digit.repeat(255)}01${RSA_TAIL}`, "hex").toString("base64"),
    ed25519: Buffer.from(digit.repeat(32), "hex").toString("base64"),
  };
  return {
    keys: [...new Set(keys.map(({ domain }) => domain))].map((domain) => ({
      domain,
      keys: keys
        .filter((key) => key.domain === domain)
        .map(({ selector, algorithm }) => {
          const publicKey = algorithm === "ed25519" ? publicKeys.ed25519 : publicKeys.rsa;
          return { selector, algorithm, role: "next" as const, publicKey };
        }),
    })),
    tlsKeys: { current: `${digit}cc`.repeat(16), next: `${digit}dd`.repeat(16) },
    ipv4: ipv4.map((address, index) => address ?? `${IPV4[set]}${index + 1}`),
    ipv6: ipv6.map((address, index) => address ?? `${IPV6[set]}${index + 1}`),
  };
}

/** What the addresses are called that were not known beforehand: a record's resource keeps this name whatever they are. */
export function addressSlots(declared: UnknownFacts, facts: HostFacts): ReadonlyMap<string, string> {
  return new Map(
    (["ipv4", "ipv6"] as const).flatMap((family) =>
      facts[family].flatMap((address, index) =>
        declared[family][index] === undefined ? [[address, `#${index + 1}`] as const] : [],
      ),
    ),
  );
}
