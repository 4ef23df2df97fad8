/**
 * check_host() (RFC 7208 §4): evaluates the record of a domain for a client, with the standard's limits.
 *
 * One evaluation counts together what its includes and redirects ask: ten terms that need the DNS, two
 * answers without a record, ten MX hosts, ten PTR names (§4.6.4). Beyond them the result is permerror.
 */

import { reverseName } from "../../dns/records.ts";
import type { Answer, ResolveOptions, Resolver } from "../../dns/resolver.ts";
import { asksForName, expand, type MacroLetter, type MacroString, parseMacroString } from "./macro.ts";
import { addressBytes, sharesPrefix } from "./network.ts";
import { isSpfRecord, type Mechanism, parseSpfRecord, type SpfRecord } from "./record.ts";

export type SpfResultName = "none" | "neutral" | "pass" | "fail" | "softfail" | "temperror" | "permerror";

/** What stays the same for includes and redirects. */
export interface SpfClient {
  /** Address in plain form, and as bytes. */
  readonly ip: string;
  readonly bytes: Uint8Array;
  readonly helo: string;
  /** The identity that is checked: local part and domain. */
  readonly localPart: string;
  readonly domain: string;
  /** This host's name, %{r}. */
  readonly receiver: string;
  /** Seconds since the epoch, %{t}. */
  readonly now: number;
}
export interface HostResult {
  readonly result: SpfResultName;
  /** The term that matched, or what was wrong. */
  readonly reason: string;
  /** The domain owner's explanation of a fail (§6.2), printable ASCII. */
  readonly explanation: string | undefined;
}

const MAX_TERMS = 10;
const MAX_VOID = 2;
const MAX_HOSTS = 10;
const MAX_NAME = 253;

/** Ends an evaluation at once. No Error: it is a result, and a stack would cost more than the evaluation. */
class Ending {
  readonly result: "temperror" | "permerror";
  readonly reason: string;
  constructor(result: Ending["result"], reason: string) {
    this.result = result;
    this.reason = reason;
  }
}

export async function checkHost(
  resolver: Resolver,
  client: SpfClient,
  options?: ResolveOptions,
): Promise<HostResult> {
  try {
    return await new Evaluation(resolver, client, options).check(client.domain, true);
  } catch (error) {
    if (error instanceof Ending)
      return { result: error.result, reason: error.reason, explanation: undefined };
    throw error;
  }
}

class Evaluation {
  readonly #resolver: Resolver;
  readonly #client: SpfClient;
  readonly #options: ResolveOptions | undefined;
  readonly #addressType: "A" | "AAAA";
  #terms = 0;
  #void = 0;
  #names: Promise<readonly string[]> | undefined;

  constructor(resolver: Resolver, client: SpfClient, options: ResolveOptions | undefined) {
    this.#resolver = resolver;
    this.#client = client;
    this.#options = options;
    this.#addressType = client.bytes.length === 4 ? "A" : "AAAA";
  }

  /** `explains`: a fail is to be explained; includes are not (§6.2). */
  async check(domain: string, explains: boolean): Promise<HostResult> {
    if (!isMailDomain(domain)) return result("none", `${JSON.stringify(domain)} is no domain name`);
    const record = await this.#recordOf(domain);
    if (record === undefined) return result("none", `${domain} has no SPF record`);
    for (const { mechanism, qualifier, text } of record.directives) {
      if (!(await this.#matches(mechanism, domain))) continue;
      const explanation =
        explains && qualifier === "fail" && record.explanation !== undefined
          ? await this.#explain(record.explanation, domain)
          : undefined;
      return { result: qualifier, reason: text, explanation };
    }
    // §6.1: with an `all` anywhere a redirect is not looked at; `all` always matches, so none is there.
    if (record.redirect === undefined) return result("neutral", "no term matches");
    this.#countTerm();
    const target = await this.#target(record.redirect, domain);
    const redirected = await this.check(target, explains);
    if (redirected.result === "none") throw new Ending("permerror", `redirect: ${redirected.reason}`);
    return redirected;
  }

  async #recordOf(domain: string): Promise<SpfRecord | undefined> {
    const answer = await this.#ask(domain, "TXT");
    const texts: string[] = [];
    for (const { strings } of answer.records) {
      const text = strings.length === 1 ? strings[0]! : strings.join("");
      if (isSpfRecord(text)) texts.push(text);
    }
    const [text] = texts;
    if (text === undefined) return undefined;
    if (texts.length > 1) throw new Ending("permerror", `${domain} has ${texts.length} SPF records`);
    const record = parseSpfRecord(text);
    if ("badTerm" in record)
      throw new Ending("permerror", `the record of ${domain} has a bad term: ${record.badTerm.slice(0, 80)}`);
    return record;
  }

  async #matches(mechanism: Mechanism, domain: string): Promise<boolean> {
    const { bytes } = this.#client;
    switch (mechanism.kind) {
      case "all":
        return true;
      case "network":
        return sharesPrefix(mechanism.bytes, bytes, mechanism.bits);
      case "include": {
        this.#countTerm();
        const included = await this.check(await this.#target(mechanism.domain, domain), false);
        if (included.result === "none") throw new Ending("permerror", `include: ${included.reason}`);
        return included.result === "pass";
      }
      case "exists": {
        this.#countTerm();
        // IPv4 whatever the client speaks (§5.7).
        const answer = await this.#ask(await this.#target(mechanism.domain, domain), "A");
        this.#countVoid(answer);
        return answer.status === "ok";
      }
      case "a": {
        this.#countTerm();
        return this.#hostMatches(await this.#target(mechanism.domain, domain), mechanism);
      }
      case "mx": {
        this.#countTerm();
        const target = await this.#target(mechanism.domain, domain);
        const answer = await this.#ask(target, "MX");
        this.#countVoid(answer);
        if (answer.records.length > MAX_HOSTS)
          throw new Ending("permerror", `${target} has more than ${MAX_HOSTS} MX records`);
        const hosts = [...answer.records].sort((a, b) => a.preference - b.preference);
        for (const { exchange } of hosts)
          if (exchange !== "." && (await this.#hostMatches(exchange, mechanism))) return true;
        return false;
      }
      case "ptr": {
        this.#countTerm();
        const target = (await this.#target(mechanism.domain, domain)).toLowerCase().replace(/\.$/, "");
        const names = await this.#validatedNames();
        return names.some((name) => name === target || name.endsWith(`.${target}`));
      }
    }
  }

  async #hostMatches(host: string, { bits4, bits6 }: { bits4: number; bits6: number }): Promise<boolean> {
    const { bytes } = this.#client;
    const answer = await this.#ask(host, this.#addressType);
    this.#countVoid(answer);
    const bits = bytes.length === 4 ? bits4 : bits6;
    return answer.records.some(({ address }) => sharesPrefix(addressBytes(address)!, bytes, bits));
  }

  /** Names of the client whose addresses lead back to it (§5.5); errors on the way count as no name. */
  #validatedNames(): Promise<readonly string[]> {
    this.#names ??= this.#findNames();
    return this.#names;
  }
  async #findNames(): Promise<readonly string[]> {
    const { ip, bytes } = this.#client;
    const pointers = await this.#resolver.resolve(reverseName(ip)!, "PTR", this.#options);
    if (pointers.status === "tempfail") return [];
    this.#countVoid(pointers);
    const candidates = pointers.records.slice(0, MAX_HOSTS).map(({ target }) => target);
    const answers = await Promise.all(
      candidates.map((name) => this.#resolver.resolve(name, this.#addressType, this.#options)),
    );
    return candidates.filter((_, at) =>
      answers[at]!.records.some(({ address }) =>
        sharesPrefix(addressBytes(address)!, bytes, bytes.length * 8),
      ),
    );
  }

  /** The text behind exp=, or undefined where anything about it is wrong (§6.2). */
  async #explain(spec: MacroString, domain: string): Promise<string | undefined> {
    try {
      const answer = await this.#resolver.resolve(await this.#target(spec, domain), "TXT", this.#options);
      if (answer.records.length !== 1) return undefined;
      const pieces = parseMacroString(answer.records[0]!.strings.join(""), "explanation");
      if (pieces === undefined) return undefined;
      const text = await this.#expanded(pieces, domain);
      return /^[\x20-\x7e]+$/.test(text) ? text : undefined;
    } catch (error) {
      if (error instanceof Ending) return undefined;
      throw error;
    }
  }

  /** The name a term is about; too long a one loses labels at its left (§7.3). */
  async #target(spec: MacroString | undefined, domain: string): Promise<string> {
    if (spec === undefined) return domain;
    let name = await this.#expanded(spec, domain);
    if (name.endsWith(".")) name = name.slice(0, -1);
    while (name.length > MAX_NAME && name.includes(".")) name = name.slice(name.indexOf(".") + 1);
    return name;
  }
  async #expanded(pieces: MacroString, domain: string): Promise<string> {
    const only = pieces[0];
    if (pieces.length === 1 && typeof only === "string") return only;
    const name = asksForName(pieces) ? await this.#nameFor(domain) : "unknown";
    return expand(pieces, (letter) => this.#valueOf(letter, domain, name));
  }
  /** %{p}: the domain itself, else a name below it, else any (§7.3). */
  async #nameFor(domain: string): Promise<string> {
    const names = await this.#validatedNames();
    const lower = domain.toLowerCase();
    return (
      names.find((name) => name === lower) ??
      names.find((name) => name.endsWith(`.${lower}`)) ??
      names[0] ??
      "unknown"
    );
  }
  #valueOf(letter: MacroLetter, domain: string, name: string): string {
    const client = this.#client;
    switch (letter) {
      case "s":
        return `${client.localPart}@${client.domain}`;
      case "l":
        return client.localPart;
      case "o":
        return client.domain;
      case "d":
        return domain;
      case "i":
        return client.bytes.length === 4 ? client.bytes.join(".") : nibbles(client.bytes);
      case "p":
        return name;
      case "h":
        return client.helo;
      case "v":
        return client.bytes.length === 4 ? "in-addr" : "ip6";
      case "c":
        return client.ip;
      case "r":
        return client.receiver;
      case "t":
        return String(client.now);
    }
  }

  async #ask<T extends "TXT" | "A" | "AAAA" | "MX">(name: string, type: T) {
    const answer = await this.#resolver.resolve(name, type, this.#options);
    if (answer.status === "tempfail")
      throw new Ending("temperror", `${name} ${type}: ${answer.reason ?? "no answer"}`);
    return answer;
  }
  #countTerm(): void {
    if (++this.#terms > MAX_TERMS) throw new Ending("permerror", `more than ${MAX_TERMS} terms need the DNS`);
  }
  #countVoid({ status }: Answer): void {
    if (status !== "ok" && ++this.#void > MAX_VOID)
      throw new Ending("permerror", `more than ${MAX_VOID} look-ups find nothing`);
  }
}

function result(name: SpfResultName, reason: string): HostResult {
  return { result: name, reason, explanation: undefined };
}

/** §4.3: several labels, none of them empty or too long. */
function isMailDomain(domain: string): boolean {
  const name = domain.endsWith(".") ? domain.slice(0, -1) : domain;
  return name.length <= MAX_NAME && /^[^.]{1,63}(?:\.[^.]{1,63})+$/.test(name);
}

function nibbles(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `${(byte >> 4).toString(16)}.${(byte & 15).toString(16)}`).join(".");
}
