/**
 * Allow and block lists: what a person says about senders in advance, for everybody, a domain or one address.
 *
 * An entry is an address (`ann@example.org`), a domain (`example.org`, with its subdomains `.example.org`), or a client's
 * address or network (`192.0.2.0/24`). Everybody can write any name as a sender. So a name that blocks only has to stand
 * in the envelope or in From, but one that allows has to be proven: by DMARC where From is meant, by SPF where the envelope is.
 */
import { BlockList, isIP } from "node:net";

/** Whose message it is, as far as lists are concerned. Addresses in lower case. */
export interface ListedSender {
  /** The client's address. */
  readonly client: string;
  /** Reverse-path, "" for null. */
  readonly from: string;
  /** The single address in From. */
  readonly author: string | undefined;
}
/** Which of a sender's names somebody answers for. */
export interface ProvenNames {
  readonly from: boolean;
  readonly author: boolean;
}

export class SenderList {
  readonly #names = new Map<string, string>();
  readonly #networks = new BlockList();
  readonly #hasNetworks: boolean;

  constructor(entries: readonly string[]) {
    let networks = 0;
    for (const entry of entries) {
      const [base = "", bits] = entry.split("/");
      const family = isIP(base);
      if (family === 0) this.#names.set(entry.toLowerCase().replace(/^@/, ""), entry);
      else {
        networks += 1;
        const type = family === 6 ? "ipv6" : "ipv4";
        this.#networks.addSubnet(base, bits === undefined ? (family === 6 ? 128 : 32) : Number(bits), type);
      }
    }
    this.#hasNetworks = networks > 0;
  }

  get isEmpty(): boolean {
    return this.#names.size === 0 && !this.#hasNetworks;
  }
  /** Whether the client's address is on the list. */
  hasClient(address: string): boolean {
    return this.#hasNetworks && this.#networks.check(address, address.includes(":") ? "ipv6" : "ipv4");
  }
  /** The entry that names an address, its domain or a domain above; undefined: none does. */
  entryFor(address: string | undefined): string | undefined {
    if (address === undefined || address === "" || this.#names.size === 0) return undefined;
    const domain = address.slice(address.lastIndexOf("@") + 1);
    const exact = this.#names.get(address) ?? this.#names.get(domain);
    for (
      let dot = domain.indexOf(".");
      exact === undefined && dot !== -1;
      dot = domain.indexOf(".", dot + 1)
    ) {
      const above = this.#names.get(domain.slice(dot));
      if (above !== undefined) return above;
    }
    return exact;
  }
}

/** Why the list blocks the sender; undefined: it does not. */
export function blockedBy(list: SenderList, sender: ListedSender): string | undefined {
  if (list.hasClient(sender.client)) return sender.client;
  return list.entryFor(sender.from) ?? list.entryFor(sender.author);
}

/** Why the list allows the sender; undefined: it does not. */
export function allowedBy(list: SenderList, sender: ListedSender, proven: ProvenNames): string | undefined {
  if (list.hasClient(sender.client)) return sender.client;
  return (
    (proven.author ? list.entryFor(sender.author) : undefined) ??
    (proven.from ? list.entryFor(sender.from) : undefined)
  );
}
