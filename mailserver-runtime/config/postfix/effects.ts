/** What the lines of postfix-main.cf come to: settings, and entries beside those of docker-mailserver's own files. */
import type { RegexpLine } from "../dms/regexp.ts";
import type { RelayLine, RelayLoginLine } from "../dms/relays.ts";
import type { VirtualLine } from "../dms/virtual.ts";
import type { ConfigurationProblem, CopyPattern, CopyTarget, Origin } from "../snapshot.ts";

/** An entry and the file it stands in. */
export type Filed<Entry> = Entry & { readonly file: string };

export interface PostfixEffects {
  /** Nested as a settings file is; laid over the environment's and under the stack's. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly aliases: readonly Filed<VirtualLine>[];
  readonly patterns: readonly Filed<RegexpLine>[];
  readonly relays: readonly Filed<RelayLine>[];
  readonly logins: readonly Filed<RelayLoginLine>[];
  /** Relays by recipient domain; undefined: sent to the MX. */
  readonly transports: readonly {
    readonly domain: string;
    readonly relay: { readonly host: string; readonly port: number; readonly lookupMx: boolean } | undefined;
    readonly origin: Origin;
  }[];
  readonly copies: readonly {
    readonly rule: "always" | "sender" | "recipient";
    readonly key: string;
    readonly target: CopyTarget;
  }[];
  readonly copyPatterns: readonly CopyPattern[];
  readonly backupDomains: readonly { readonly domain: string; readonly origin: Origin }[];
  /** Canonical addresses and `@domain` of relay_recipient_maps; undefined: no list was given. */
  readonly backupRecipients: ReadonlySet<string> | undefined;
  readonly problems: readonly ConfigurationProblem[];
}

export const noEffects: PostfixEffects = {
  settings: {},
  aliases: [],
  patterns: [],
  relays: [],
  logins: [],
  transports: [],
  copies: [],
  copyPatterns: [],
  backupDomains: [],
  backupRecipients: undefined,
  problems: [],
};
