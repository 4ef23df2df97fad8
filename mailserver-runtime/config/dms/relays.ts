/**
 * The relay files: which host takes the mail of which sender, and with which login.
 *
 * postfix-relaymap.cf: `@domain [host]:port` or `user@domain host`; a line with the sender alone exempts it
 * from the default relay. postfix-sasl-password.cf: `@domain user:password`, `user@domain user:password`, or
 * the relay itself, `[host]:port user:password`.
 */
import { aliasAddress } from "../address.ts";
import { type LineParser, lineParser } from "./lines.ts";

export const RELAYMAP_FILE = "postfix-relaymap.cf";
export const SASL_PASSWORD_FILE = "postfix-sasl-password.cf";

/** A host that takes mail from us (a smarthost). */
export interface RelayHost {
  readonly host: string;
  readonly port: number;
  /** Without brackets Postfix looks up the host's MX; with them it connects to the host itself. */
  readonly lookupMx: boolean;
}
export interface RelayLine {
  readonly line: number;
  /** `@domain` or `user@domain`, canonical. */
  readonly sender: string;
  /** undefined: sent directly, whatever the default is. */
  readonly relay: RelayHost | undefined;
}
export interface RelayLoginLine {
  readonly line: number;
  /** A sender as above, or `[host]:port` as written. */
  readonly key: string;
  readonly user: string;
  readonly password: string;
}

export const parseRelaymap: LineParser<RelayLine> = lineParser({
  read: ({ line, text: entry }) => {
    const [sender = "", relay, ...rest] = entry.split(/\s+/);
    if (rest.length > 0)
      throw new Error("a relay is written `@domain [host]:port`; there is more in this line");
    return {
      line,
      sender: aliasAddress(sender),
      relay: relay === undefined ? undefined : parseRelayHost(relay),
    };
  },
  key: (entry) => entry.sender,
});

export const parseRelayLogins: LineParser<RelayLoginLine> = lineParser({
  read: ({ line, text: entry }) => {
    const parts = /^(\S+)\s+([^\s:]+):(.+)$/.exec(entry);
    // The line is not quoted in the reason: it may hold a password.
    if (parts === null) throw new Error("a relay's login is written `@domain user:password`");
    const key = parts[1]!;
    return {
      line,
      key: key.includes("@") ? aliasAddress(key) : key.toLowerCase(),
      user: parts[2]!,
      password: parts[3]!,
    };
  },
  key: (entry) => entry.key,
});

/** Ports by the names that a relay may be written with. */
const services: Readonly<Record<string, number>> = {
  smtp: 25,
  submission: 587,
  submissions: 465,
  smtps: 465,
};

/**
 * `[host]:port`, `[host]`, `host:port` or `host`; the port is a number or a service's name, 25 where none is given. An
 * IPv6 address stands in brackets, with or without `IPv6:`.
 *
 * @throws {RangeError}
 */
export function parseRelayHost(text: string): RelayHost {
  const parts = /^(?:\[(?:ipv6:)?([^\][\s]+)\]|([^[\]:\s,]+))(?::(\d{1,5}|[a-z]+))?$/i.exec(text.trim());
  const named = parts?.[3]?.toLowerCase() ?? "smtp";
  const port = services[named] ?? Number(named);
  if (parts === null || !(port >= 1 && port <= 65535))
    throw new RangeError(`"${text}" is not a relay: write [host]:port`);
  return { host: (parts[1] ?? parts[2]!).toLowerCase(), port, lookupMx: parts[1] === undefined };
}
