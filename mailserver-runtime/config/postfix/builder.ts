/** Gathers the effects of postfix-main.cf, parameter by parameter. */
import { aliasAddress, mailDomain } from "../address.ts";
import type { Parsed } from "../dms/lines.ts";
import type { RegexpLine } from "../dms/regexp.ts";
import { parseRelayHost, type RelayLine, type RelayLoginLine } from "../dms/relays.ts";
import type { VirtualLine } from "../dms/virtual.ts";
import type { Origin } from "../snapshot.ts";
import { type Filed, noEffects, type PostfixEffects } from "./effects.ts";
import { type Table, tableLines, tablesOf } from "./tables.ts";

/** A table with its text, where it has a file. */
export type OpenTable =
  | (Extract<Table, { kind: "text" | "patterns" }> & { readonly text: string })
  | Extract<Table, { kind: "static" | "inline" }>;
export interface TableEntry {
  /** undefined: a static table, which answers the same for every key. */
  readonly key: string | undefined;
  readonly value: string;
  readonly origin: Origin;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

export class EffectsBuilder {
  readonly #effects: Writable<PostfixEffects>;
  readonly #settings: Record<string, unknown> = {};
  readonly #recipients = new Set<string>();
  readonly #readFile: (file: string) => string | undefined;
  #least: number | undefined;
  #most: number | undefined;

  /** `readFile` gives the text of a file of the config directory. */
  constructor(readFile: (file: string) => string | undefined) {
    this.#readFile = readFile;
    this.#effects = structuredClone(noEffects) as Writable<PostfixEffects>;
  }

  problem(file: string, line: number, reason: string): void {
    this.#effects.problems.push({ file, line, reason });
  }

  /** `key` is dotted, as in the settings reference. */
  setting(key: string, value: unknown): void {
    let group = this.#settings;
    const path = key.split(".");
    for (const name of path.slice(0, -1)) {
      group[name] ??= {};
      group = group[name] as Record<string, unknown>;
    }
    group[path.at(-1)!] = value;
  }
  /** TLS of the relay, unless it is implicit already. */
  relayTls(tls: "starttls"): void {
    const group = this.#settings.relay as Record<string, unknown> | undefined;
    if (group?.tls === undefined) this.setting("relay.tls", tls);
  }
  localAddress(address: string): void {
    const group = this.#settings.delivery as Record<string, unknown> | undefined;
    this.setting("delivery.addresses", [...((group?.addresses as string[] | undefined) ?? []), address]);
  }
  backoff(bound: "least" | "most", value: number): void {
    if (bound === "least") this.#least = value;
    else this.#most = value;
  }

  aliases(file: string, parsed: Parsed<VirtualLine>, line?: number): void {
    this.#add(this.#effects.aliases, file, parsed, line);
  }
  patterns(file: string, parsed: Parsed<RegexpLine>): void {
    this.#add(this.#effects.patterns, file, parsed);
  }
  relays(file: string, parsed: Parsed<RelayLine>): void {
    this.#add(this.#effects.relays, file, parsed);
  }
  logins(file: string, parsed: Parsed<RelayLoginLine>): void {
    this.#add(this.#effects.logins, file, parsed);
  }
  /** `static:user:password`: at the relay of relayhost, and at no other. */
  loginForRelayhost(text: string, origin: Origin): void {
    const group = this.#settings.relay as { defaultHost?: string } | undefined;
    const [user = "", ...password] = text.split(":");
    if (group?.defaultHost === undefined || user === "" || password.length === 0)
      throw new Error("a static login is written static:user:password, with relayhost on a line above it");
    const { host, port } = parseRelayHost(group.defaultHost);
    const login = { key: `[${host}]:${port}`, user, password: password.join(":") };
    this.#effects.logins.push({ ...login, line: origin.line, file: origin.file });
  }
  transport(key: string | undefined, to: string, origin: Origin): void {
    if (key === undefined || key === "*")
      throw new Error("a transport for every domain is written as relayhost here");
    if (key.includes("@") || key.startsWith("."))
      throw new Error(`"${key}": a relay is found by the recipient's domain here; name a domain`);
    const [, transport = "", hop = ""] = /^([a-z]*):?(.*)$/s.exec(to) ?? [];
    if (!["smtp", "relay", ""].includes(transport))
      throw new Error(`"${to}": only smtp: and relay: lead anywhere here`);
    const relay = hop === "" ? undefined : parseRelayHost(hop);
    this.#effects.transports.push({ domain: mailDomain(key), relay, origin });
  }
  copy(rule: "always" | "sender" | "recipient", key: string, to: string, origin: Origin): void {
    if (to === "") throw new Error(`nobody is named who gets the copies of ${key}`);
    this.#effects.copies.push({ rule, key, target: { to: aliasAddress(to), origin } });
  }
  /** Lines of a pattern table; each names one address that gets the copies. */
  copyPatterns(rule: "sender" | "recipient", file: string, { entries, problems }: Parsed<RegexpLine>): void {
    for (const { line, pattern, targets } of entries)
      for (const to of targets)
        this.#effects.copyPatterns.push({
          rule,
          pattern,
          target: { to, origin: { file, line, owner: "setup" } },
        });
    for (const { line, reason } of problems) this.problem(file, line, reason);
  }
  backup(domain: string, origin: Origin): void {
    this.#effects.backupDomains.push({ domain, origin });
  }
  backupRecipient(address: string): void {
    this.#recipients.add(address);
    this.#effects.backupRecipients = this.#recipients;
  }

  /** The tables of a value with their texts. @throws {Error} for one that cannot be read */
  tables(value: string, _origin: Origin): OpenTable[] {
    return tablesOf(value).flatMap((table): OpenTable[] => {
      if (table.kind === "generated") return [];
      if (table.kind === "unsupported") throw new Error(table.reason);
      if (table.kind === "static" || table.kind === "inline") return [table];
      const text = this.#readFile(table.file);
      if (text === undefined) throw new Error(`there is no file ${table.file} in the config directory`);
      return [{ ...table, text }];
    });
  }
  /** The entries of a value's tables. */
  entries(value: string, origin: Origin): TableEntry[] {
    return this.tables(value, origin).flatMap((table) => this.entriesOf(table, origin));
  }
  /** The same of one table. @throws {Error} for one of patterns */
  entriesOf(table: OpenTable, origin: Origin): TableEntry[] {
    if (table.kind === "static") return [{ key: undefined, value: table.value, origin }];
    if (table.kind === "inline") return table.entries.map(([key, to]) => ({ key, value: to, origin }));
    if (table.kind === "patterns")
      throw new Error(`patterns (${table.file}) are not read here; list addresses in a texthash: file`);
    const { file } = table;
    return tableLines(table.text).map(({ key, value: to, line }) => ({
      key,
      value: to,
      origin: { file, line, owner: "setup" },
    }));
  }

  effects(): PostfixEffects {
    if (this.#least !== undefined || this.#most !== undefined)
      this.setting("delivery.retrySeconds", waits(this.#least ?? 300, this.#most ?? 4000));
    return { ...this.#effects, settings: this.#settings };
  }

  #add<Entry extends { readonly line: number }>(
    to: Filed<Entry>[],
    file: string,
    { entries, problems }: Parsed<Entry>,
    line?: number,
  ): void {
    for (const entry of entries) to.push({ ...entry, file, ...(line !== undefined && { line }) });
    for (const problem of problems) this.problem(file, line ?? problem.line, problem.reason);
  }
}

/** Postfix doubles the wait from the least to the most. */
function waits(least: number, most: number): number[] {
  const list = [Math.max(1, least)];
  while (list.at(-1)! * 2 < most && list.length < 20) list.push(list.at(-1)! * 2);
  if (most > list.at(-1)!) list.push(most);
  return list;
}
