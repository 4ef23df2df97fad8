/** Trace fields that this server puts before a message (RFC 5321 §4.4, RFC 8601), pure. */
import { formatDate } from "../message/date.ts";

export interface ReceivedFacts {
  /** HELO argument and address of the client, "" for one on a socket file; undefined hides them (submission). */
  readonly client: { readonly helo: string; readonly address: string } | undefined;
  readonly hostname: string;
  readonly protocol: string;
  readonly tls: { readonly protocol: string; readonly cipher: string } | undefined;
  readonly id: string;
  /** Named only where a message has a single recipient, or the others would be told (RFC 5321 §7.2). */
  readonly recipient: string | undefined;
  readonly receivedAt: number;
}

/** A Received field. */
export function receivedField(facts: ReceivedFacts): string {
  const { client, tls } = facts;
  const from =
    client === undefined
      ? "[127.0.0.1] (localhost [127.0.0.1])"
      : `${client.helo} (${client.address === "" ? "local" : addressLiteral(client.address)})`;
  const security = tls === undefined ? "" : `\r\n\t(${tls.protocol} ${tls.cipher})`;
  const recipient = facts.recipient === undefined ? "" : `\r\n\tfor <${facts.recipient}>`;
  return `Received: from ${from}\r\n\tby ${facts.hostname} with ${facts.protocol}${security}\r\n\tid ${facts.id}${recipient};\r\n\t${formatDate(facts.receivedAt)}\r\n`;
}

/** The with-clause's registered names (RFC 3848, RFC 6531 §4.3). */
export function transmissionType(facts: {
  readonly lmtp: boolean;
  readonly extended: boolean;
  readonly utf8: boolean;
  readonly tls: boolean;
  readonly authenticated: boolean;
}): string {
  const suffix = `${facts.tls ? "S" : ""}${facts.authenticated ? "A" : ""}`;
  if (facts.utf8) return `UTF8${facts.lmtp ? "LMTP" : "SMTP"}${suffix}`;
  if (facts.lmtp) return `LMTP${suffix}`;
  return facts.extended ? `ESMTP${suffix}` : "SMTP";
}

/** An address literal (RFC 5321 §4.1.3). */
export function addressLiteral(address: string): string {
  return address.includes(":") ? `[IPv6:${address}]` : `[${address}]`;
}

/** A Return-Path field, for final delivery. */
export function returnPathField(from: string): string {
  return `Return-Path: <${from}>\r\n`;
}

/** An Authentication-Results field of this host (RFC 8601 §2.2). */
export function authenticationResultsField(hostname: string, clauses: readonly string[]): string {
  const body = clauses.length === 0 ? " none" : clauses.map((clause) => `\r\n\t${clause}`).join(";");
  return `Authentication-Results: ${hostname};${body}\r\n`;
}
