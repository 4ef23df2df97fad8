/**
 * Whose policy holds for a recipient: its own where one is set, laid over its domain's, laid over everybody's.
 *
 * Where nobody has one of his own and no list is kept, which is the usual case, all of it costs two look-ups a message.
 */
import type { FilterPolicy } from "./policy.ts";
import { SenderList } from "./sender-lists.ts";

/** What the settings say (`filter`). */
export interface PolicySettings extends FilterPolicy {
  /** Senders whose score does not count, and senders who are refused; see sender-lists.ts. */
  readonly allow?: readonly string[];
  readonly block?: readonly string[];
  readonly overrides?: readonly PolicyOverride[];
}
export interface PolicyOverride extends Partial<FilterPolicy> {
  /** An address or a domain. */
  readonly for: string;
  readonly allow?: readonly string[];
  readonly block?: readonly string[];
}
/** A policy with the lists that go with it, the nearest first. */
export interface RecipientPolicy {
  readonly policy: FilterPolicy;
  readonly lists: readonly { readonly allow: SenderList; readonly block: SenderList }[];
}

export class RecipientPolicies {
  /** For those who have no policy of their own. */
  readonly standard: RecipientPolicy;
  readonly #overrides: ReadonlyMap<string, PolicyOverride>;
  readonly #made = new Map<PolicyOverride, RecipientPolicy>();

  constructor(settings: PolicySettings) {
    this.#overrides = new Map(
      settings.overrides?.map((one) => [one.for.toLowerCase().replace(/^@/, ""), one]),
    );
    this.standard = { policy: settings, lists: listsOf(settings) };
  }

  /** Whether every recipient has the same policy. */
  get areAlike(): boolean {
    return this.#overrides.size === 0;
  }

  of(recipient: string): RecipientPolicy {
    if (this.#overrides.size === 0) return this.standard;
    const address = recipient.toLowerCase().replace(/\+[^@]*(?=@)/, "");
    const domain = this.#overrides.get(address.slice(address.lastIndexOf("@") + 1));
    const own = this.#overrides.get(address);
    const above = domain === undefined ? this.standard : this.#laidOver(domain, this.standard);
    return own === undefined ? above : this.#laidOver(own, above);
  }

  #laidOver(override: PolicyOverride, under: RecipientPolicy): RecipientPolicy {
    const made = this.#made.get(override);
    if (made !== undefined) return made;
    const said = Object.entries(override).filter(([, value]) => value !== undefined);
    const laid: RecipientPolicy = {
      policy: { ...under.policy, ...Object.fromEntries(said) },
      lists: [...listsOf(override), ...under.lists],
    };
    this.#made.set(override, laid);
    return laid;
  }
}

const compiled = new WeakMap<PolicySettings, RecipientPolicies>();
/** The policies of these settings, made once for as long as they are in force. */
export function recipientPolicies(settings: PolicySettings): RecipientPolicies {
  const known = compiled.get(settings);
  if (known !== undefined) return known;
  const policies = new RecipientPolicies(settings);
  compiled.set(settings, policies);
  return policies;
}

function listsOf({
  allow = [],
  block = [],
}: Pick<PolicyOverride, "allow" | "block">): RecipientPolicy["lists"] {
  if (allow.length + block.length === 0) return [];
  return [{ allow: new SenderList(allow), block: new SenderList(block) }];
}
