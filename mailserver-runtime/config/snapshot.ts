/**
 * One consistent state of everything the administrator has declared: settings, domains, accounts, aliases,
 * relays. Immutable; compiled from the text files at start and at each change and swapped as one object, so
 * that a request that took a snapshot sees one truth to its end. Look-ups cost the same for ten accounts
 * and for a hundred thousand.
 */

import type { Settings } from "../settings/schema.ts";
import type { AliasPattern } from "./dms/alias-pattern.ts";
import type { AppPassword } from "./dms/app-passwords.ts";

export interface Snapshot {
  /** Grows by one with each swap. */
  readonly generation: number;
  readonly settings: Settings;
  /** Hosted domain? Accepts any case; IDN as A-label or U-label. */
  domain(name: string): Domain | undefined;
  domains(): Iterable<Domain>;
  /** The account of exactly this address (no plus-addressing, no alias), any case. */
  account(address: string): Account | undefined;
  accounts(): Iterable<Account>;
  readonly accountCount: number;
  /** Targets of an alias: `user@domain`, or `@domain` for a catch-all. */
  alias(address: string): Alias | undefined;
  aliases(): Iterable<Alias>;
  readonly regexpAliases: readonly RegexpAlias[];
  /** Sender and recipient addresses an administrator has refused (postfix-send-access.cf, postfix-receive-access.cf). */
  readonly refusedSenders: ReadonlyMap<string, AccessEntry>;
  readonly refusedRecipients: ReadonlyMap<string, AccessEntry>;
  /** Signing keys of a domain, current first; the key's text is read at use, it never travels in a snapshot's JSON. */
  dkimKeys(domain: string): readonly DkimKey[];
  /** Further passwords of accounts, each for a device (app-passwords.cf). */
  readonly appPasswords?: readonly AppPassword[];
  /** Master users by name (dovecot-masters.cf): `user@domain*name` logs in to the user's mail with the master's password. */
  readonly masters?: ReadonlyMap<string, MasterUser>;
  /** Aliases of the machine's own users by lower-case name (postfix-aliases.cf). */
  readonly localAliases?: ReadonlyMap<string, Pick<Alias, "targets" | "origin">>;
  /** Domains that this host is a backup MX for, by name; a hosted domain is never among them. */
  readonly backupDomains?: ReadonlyMap<string, BackupMx>;
  /** Who gets copies of which mail. */
  readonly copies?: CopyTable;
  /** Relays that the stack declares. */
  readonly stackRelays?: readonly StackRelay[];
  /** Which host takes the mail of a sender: keys `user@domain` before `@domain` (postfix-relaymap.cf). */
  readonly senderRelays?: ReadonlyMap<string, SenderRelay>;
  /** Which host takes the mail for a recipient domain (transport_maps of postfix-main.cf); undefined: its MX. */
  readonly recipientRelays?: readonly {
    readonly domain: string;
    readonly relay: SenderRelay["relay"];
    readonly origin: Origin;
  }[];
  /** Logins at relays: keys `user@domain`, `@domain`, `[host]:port` in this order (postfix-sasl-password.cf). */
  readonly relayLogins?: ReadonlyMap<string, RelayLogin>;
  /** What is wrong in the files now; the last good content of such a file stays in force. */
  readonly problems: readonly ConfigurationProblem[];
}

/** Where an entry stands, for errors and for `explain`. `file` is relative to the config directory. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  /** "stack": declared by a Pulumi stack, with its URN; "setup": a DMS file, changed by `setup` or by hand. */
  readonly owner: "stack" | "setup";
  readonly urn?: string;
}
export interface Domain {
  /** Lower case, A-label form. */
  readonly name: string;
  readonly origin: Origin;
}
export interface Account {
  /** Lower case; the domain in A-label form. */
  readonly address: string;
  readonly domain: string;
  /** `{SCHEME}hash` as in postfix-accounts.cf; undefined: nobody can log in with a password. */
  readonly passwordHash: string | undefined;
  /** false: declared before and removed since. Logins are refused and new mail gets 550 5.2.1; its mail stays. */
  readonly enabled: boolean;
  /** 0: no limit. */
  readonly quotaBytes: number;
  /** A person's name, where the stack gives one. */
  readonly displayName?: string;
  /** Dovecot's extra fields from postfix-accounts.cf, `userdb_mail` for instance. */
  readonly extraFields?: ReadonlyMap<string, string>;
  readonly origin: Origin;
}
export interface MasterUser {
  readonly name: string;
  readonly passwordHash: string;
  readonly origin: Origin;
}
export interface SenderRelay {
  /** `user@domain` or `@domain`. */
  readonly sender: string;
  /** undefined: sent directly, whatever the default relay is. `lookupMx`: the host's MX is asked for first. */
  readonly relay: { readonly host: string; readonly port: number; readonly lookupMx: boolean } | undefined;
  readonly origin: Origin;
}
export interface StackRelay {
  readonly name: string;
  /** Whose mail it takes; all of it where every list is empty. */
  readonly match: {
    readonly recipientDomains: readonly string[];
    readonly senders: readonly string[];
    readonly senderDomains: readonly string[];
  };
  /** undefined: sent directly, whatever other rules say. */
  readonly relay:
    | {
        readonly host: string;
        readonly port: number;
        readonly tls: "implicit" | "starttls" | "opportunistic";
        readonly lookupMx: boolean;
        readonly credentials?: { readonly username: string; readonly password: string };
        readonly caFile?: string;
      }
    | undefined;
  readonly origin: Origin;
}
export interface RelayLogin {
  readonly user: string;
  readonly password: string;
}
export interface Alias {
  readonly address: string;
  readonly targets: readonly string[];
  readonly origin: Origin;
}
/** What the access lists say about a pattern. */
export interface AccessEntry {
  readonly action: "reject" | "accept";
  readonly refusal?: { readonly code: number; readonly status: string; readonly text: string };
  readonly origin: Origin;
}
export interface BackupMx {
  readonly name: string;
  /** Canonical addresses that are taken; undefined: all of the domain. */
  readonly recipients: ReadonlySet<string> | undefined;
  /** How long its mail waits in the queue. */
  readonly lifetimeSeconds: number;
  readonly origin: Origin;
}
/** Who gets copies: of every message, by sender, by recipient; keys are addresses or `@domain`. */
export interface CopyTable {
  readonly always: readonly CopyTarget[];
  readonly bySender: ReadonlyMap<string, readonly CopyTarget[]>;
  readonly byRecipient: ReadonlyMap<string, readonly CopyTarget[]>;
  /** Asked in their order where no key is found; the first that fits counts. */
  readonly patterns: readonly CopyPattern[];
}
/** A line of a pattern table among the BCC maps. */
export interface CopyPattern {
  readonly rule: "sender" | "recipient";
  readonly pattern: AliasPattern;
  /** `to` may hold `$1` for what the pattern's groups matched. */
  readonly target: CopyTarget;
}
export interface CopyTarget {
  readonly to: string;
  readonly origin: Origin;
}
export interface RegexpAlias {
  readonly pattern: AliasPattern;
  readonly targets: readonly string[];
  readonly origin: Origin;
}
export interface DkimKey {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: "rsa-sha256" | "ed25519-sha256";
  /** Signs now; the next selector's key is published but silent. */
  readonly active: boolean;
  /** PEM, PKCS#8. */
  privateKey(): Promise<string>;
  readonly origin: Origin;
}
export interface ConfigurationProblem {
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

/** Holds the current snapshot and makes the next one when files change. */
export interface Configuration {
  current(): Snapshot;
  onChange(listener: (snapshot: Snapshot) => void): () => void;
  /** Reads all files now; resolves with the snapshot in force afterwards (also when a file was broken). */
  reload(): Promise<Snapshot>;
  close(): Promise<void>;
}
