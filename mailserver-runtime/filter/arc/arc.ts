/**
 * ARC (RFC 8617): what did the hosts before us see, and is the chain of their seals whole?
 *
 * Each host that passes a message on adds a set of three fields with one instance number: what it found
 * (ARC-Authentication-Results), a signature over the message (ARC-Message-Signature) and a seal over all
 * sets so far (ARC-Seal). The chain is judged as §5.2 says, the newest set first.
 */
import type { ResolveOptions, Resolver } from "../../dns/resolver.ts";
import type { MessageContent } from "../../message/content.ts";
import { fieldBytes, fieldValue, type HeaderField, type Headers } from "../../message/headers.ts";
import { bodyHashes } from "../dkim/body-hashes.ts";
import { relaxedField } from "../dkim/canonicalization.ts";
import { publicKeyOf } from "../dkim/public-key.ts";
import { type Signature, type SignedBy, signedBy, signedParts } from "../dkim/signature.ts";
import { withoutValue } from "../dkim/signed-header.ts";
import { isSignedWith, verifyOne } from "../dkim/verify.ts";
import { parseTagList } from "../tag-list.ts";

export interface ArcResult {
  readonly result: "none" | "pass" | "fail" | "temperror";
  /** Sets of the chain. */
  readonly sets: number;
  /** Who sealed last. */
  readonly sealer: string | undefined;
  /** What was wrong. */
  readonly reason: string | undefined;
}

/** §4.2.1. */
const MAX_SETS = 50;
const parts = ["arc-authentication-results", "arc-message-signature", "arc-seal"] as const;
type Part = (typeof parts)[number];
type ArcSet = Readonly<Record<Part, HeaderField>>;

/** Whether there is anything to verify. */
export function hasArc(headers: Headers): boolean {
  return headers.fields.some(({ name }) => name.startsWith("arc-") && isPart(name));
}

/** Verifies the chain. `now` is in milliseconds. Never throws for what a message or a name server says. */
export async function verifyArc(
  resolver: Resolver,
  content: MessageContent,
  headers: Headers,
  now: number,
  options?: ResolveOptions,
): Promise<ArcResult> {
  if (!hasArc(headers)) return { result: "none", sets: 0, sealer: undefined, reason: undefined };
  const sets = setsOf(headers);
  const fail = (reason: string, result: "fail" | "temperror" = "fail"): ArcResult => ({
    result,
    sets: typeof sets === "string" ? 0 : sets.length,
    sealer: undefined,
    reason,
  });
  if (typeof sets === "string") return fail(sets);
  const seals: SignedBy[] = [];
  for (const [index, set] of sets.entries()) {
    const tags = parseTagList(fieldValue(headers, set["arc-seal"]));
    const seal = tags === undefined ? "a tag stands twice" : signedBy(tags);
    if (tags === undefined || typeof seal === "string") return fail(`seal ${index + 1}: ${seal}`);
    if (tags.has("h")) return fail(`seal ${index + 1} has a tag h=`);
    const validity = tags.get("cv")?.toLowerCase();
    if (validity !== (index === 0 ? "none" : "pass"))
      return fail(`seal ${index + 1} says cv=${validity ?? ""}`.slice(0, 60));
    seals.push(seal);
  }
  const newest = sets[sets.length - 1]!["arc-message-signature"];
  const signature = messageSignature(fieldValue(headers, newest), now / 1000);
  if (typeof signature === "string") return fail(`signature ${sets.length}: ${signature}`);
  const [body] = await bodyHashes(content, headers.bodyStart, [signature]);
  const { result, comment } = await verifyOne(resolver, headers, newest, signature, body!, options);
  if (result !== "pass")
    return fail(
      `signature ${sets.length}: ${comment ?? result}`,
      result === "temperror" ? "temperror" : "fail",
    );
  for (let index = sets.length - 1; index >= 0; index--) {
    const seal = seals[index]!;
    const key = await publicKeyOf(resolver, seal, options);
    if (!("key" in key))
      return fail(`seal ${index + 1}: ${key.reason}`, key.result === "temperror" ? "temperror" : "fail");
    if (!(await isSignedWith(key, seal, sealed(headers, sets.slice(0, index + 1)))))
      return fail(`seal ${index + 1} did not verify`);
  }
  return { result: "pass", sets: sets.length, sealer: seals.at(-1)?.domain, reason: undefined };
}

/** The sets from instance 1 on, or what is wrong with them (§5.2 step 3). */
function setsOf(headers: Headers): readonly ArcSet[] | string {
  const found = new Map<number, Partial<Record<Part, HeaderField>>>();
  for (const field of headers.fields) {
    const { name } = field;
    if (!isPart(name)) continue;
    const text = fieldValue(headers, field);
    const instance = Number(
      /^\s*i\s*=\s*(\d{1,3})\s*(?:;|$)/.exec(text)?.[1] ?? parseTagList(text)?.get("i"),
    );
    if (!Number.isInteger(instance) || instance < 1 || instance > MAX_SETS)
      return "an instance number is none";
    const set = found.get(instance) ?? {};
    if (set[name] !== undefined) return `set ${instance} has ${name} twice`;
    set[name] = field;
    found.set(instance, set);
  }
  const sets: ArcSet[] = [];
  for (let instance = 1; instance <= found.size; instance++) {
    const set = found.get(instance);
    if (set === undefined || parts.some((part) => set[part] === undefined))
      return `set ${instance} is not whole`;
    sets.push(set as ArcSet);
  }
  return sets;
}

/** §4.1.2: as a DKIM-Signature, without v=, with an instance in i=, and never over a seal. */
function messageSignature(text: string, now: number): Signature | string {
  const tags = parseTagList(text);
  if (tags === undefined) return "a tag stands twice";
  if (tags.has("v")) return "it has a tag v=";
  const by = signedBy(tags);
  if (typeof by === "string") return by;
  const rest = signedParts(tags, now);
  if (typeof rest === "string") return rest;
  if (rest.fields.includes("arc-seal")) return "it signs a seal";
  return { ...by, ...rest, identity: `@${by.domain}` };
}

/** What a seal covers (§5.1.1): every set in order, the last seal with its b= empty. */
function sealed(headers: Headers, sets: readonly ArcSet[]): string {
  let text = "";
  for (const [index, set] of sets.entries()) {
    text += relaxedField(fieldBytes(headers, set["arc-authentication-results"]));
    text += relaxedField(fieldBytes(headers, set["arc-message-signature"]));
    const seal = fieldBytes(headers, set["arc-seal"]);
    text += index === sets.length - 1 ? withoutValue(seal, "relaxed") : relaxedField(seal);
  }
  return text;
}

function isPart(name: string): name is Part {
  return (parts as readonly string[]).includes(name);
}
