/**
 * Lists in the DNS of addresses and domains that somebody knows (RFC 5782), and the proof that one works from here.
 *
 * A list answers many things that mean nothing: a resolver's landing page lists everybody, a closed list nobody, and one
 * asked through a public resolver says so with an address of 127.255.255.0/24. So a list has a say only while it lists
 * its own test entry and does not list the one that must not be (§5): 127.0.0.2 and 127.0.0.1, for domains TEST and
 * INVALID. That is asked in the background, before first use and once a day; until then, and after an answer that says
 * "failure", the list is left out. A list only scores.
 */
import type { Resolver } from "../../dns/resolver.ts";
import { normalAddress } from "../../net/address.ts";
import type { Log } from "../../net/log.ts";

export interface DnsListSettings {
  /** The zone that is asked. */
  readonly zone: string;
  /** What it lists: clients' addresses, or domains. */
  readonly of: "addresses" | "domains";
  /** What being listed weighs; below 0 for lists of those one may trust. */
  readonly score: number;
}
export interface Listing {
  readonly zone: string;
  readonly score: number;
  /** The list's answers, `127.0.0.2`. */
  readonly codes: readonly string[];
}
export interface DnsListOptions {
  readonly resolver: Resolver;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}
/** What a list said: its codes, none where the entry is not listed; or why that is not known. */
type Answer =
  | { readonly kind: "codes"; readonly codes: readonly string[] }
  | { readonly kind: "no answer" }
  | { readonly kind: "failure"; readonly code: string };

const DAY_MS = 86_400_000;
/** A list that does not answer as it should is looked at again after this. */
const AGAIN_MS = 3_600_000;
const testEntries = {
  addresses: { listed: "2.0.0.127", unlisted: "1.0.0.127" },
  domains: { listed: "test", unlisted: "invalid" },
} as const;

export class DnsList {
  readonly settings: DnsListSettings;
  readonly #options: DnsListOptions;
  #isProven = false;
  #proofDue = Number.NEGATIVE_INFINITY;
  #proving: Promise<void> | undefined;

  constructor(settings: DnsListSettings, options: DnsListOptions) {
    this.settings = settings;
    this.#options = options;
  }

  /** Whether the list has a say now. Begins a proof where one is due, and waits for none. */
  get isUsable(): boolean {
    if (this.#now() >= this.#proofDue) void this.prove();
    return this.#isProven;
  }

  /** Asks for the test entries. Never rejects. */
  prove(): Promise<void> {
    this.#proving ??= this.#prove().finally(() => {
      this.#proving = undefined;
    });
    return this.#proving;
  }
  async #prove(): Promise<void> {
    const { log } = this.#options;
    const { zone, of } = this.settings;
    const { listed, unlisted } = testEntries[of];
    const [yes, no] = await Promise.all([this.#ask(listed), this.#ask(unlisted)]);
    this.#isProven = isListed(yes) && no.kind === "codes" && no.codes.length === 0;
    this.#proofDue = this.#now() + (this.#isProven ? DAY_MS : AGAIN_MS);
    if (this.#isProven) log.info({ event: "dns-list-proven", zone });
    else
      log.warn(
        { event: "dns-list-unusable", zone },
        `${zone} is left out: ${listed} gives ${told(yes)}, ${unlisted} gives ${told(no)}; it may not be asked through this resolver`,
      );
  }

  /** What it says of an entry; undefined: nothing, or it has no say. */
  async find(entry: string): Promise<Listing | undefined> {
    if (!this.isUsable) return undefined;
    const answer = await this.#ask(entry);
    const { zone, score } = this.settings;
    if (answer.kind === "failure") {
      this.#isProven = false;
      this.#proofDue = this.#now() + AGAIN_MS;
      this.#options.log.warn(
        { event: "dns-list-unusable", zone },
        `${zone} is left out: it answers ${answer.code}`,
      );
    }
    return isListed(answer) ? { zone, score, codes: answer.codes } : undefined;
  }

  async #ask(entry: string): Promise<Answer> {
    const { status, records } = await this.#options.resolver.resolve(`${entry}.${this.settings.zone}`, "A");
    if (status === "tempfail") return { kind: "no answer" };
    const codes = records.map(({ address }) => address);
    const code = codes.find(isFailure);
    return code === undefined ? { kind: "codes", codes } : { kind: "failure", code };
  }
  #now(): number {
    return this.#options.clock?.() ?? Date.now();
  }
}

const isListed = (answer: Answer): answer is Extract<Answer, { readonly kind: "codes" }> =>
  answer.kind === "codes" && answer.codes.length > 0;
/** What lies outside 127.0.0.0/8 is no list's answer (RFC 5782 §2.1); 127.0.0.255 is how dnswl.org says no. */
const isFailure = (code: string): boolean =>
  !code.startsWith("127.") || code.startsWith("127.255.255.") || code === "127.0.0.255";

function told(answer: Answer): string {
  if (answer.kind === "codes") return answer.codes.join(" ") || "nothing";
  return answer.kind === "failure" ? answer.code : answer.kind;
}

/** An address as lists are asked about it (RFC 5782 §2.1, §2.4). */
export function reversedAddress(given: string): string {
  const address = normalAddress(given);
  if (!address.includes(":")) return address.split(".").reverse().join(".");
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  const digits = groups.map((group) => group.padStart(4, "0")).join("");
  return [...digits].reverse().join(".");
}
