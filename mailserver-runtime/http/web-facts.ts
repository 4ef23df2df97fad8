/** What the HTTP answers are made of; `server.ts` and `serving.ts` fill it in. */

/** How clients reach a service, from the listeners. */
export interface OfferedService {
  readonly service: "imap" | "pop3" | "smtp";
  readonly port: number;
  /** `implicit`: TLS from the first byte (RFC 8314). */
  readonly tls: "implicit" | "starttls";
}
export interface Offer {
  readonly hostname: string;
  /** The best way of each service first. */
  readonly services: readonly OfferedService[];
}

export interface WebFacts {
  /** The text of an HTTP-01 proof. */
  proof(token: string): Promise<string | undefined>;
  /** The MTA-STS policy of a domain. */
  policy(domain: string): string | undefined;
  /** Whether the domain is hosted here. */
  serves(domain: string): boolean;
  offer(): Offer;
  mayReadMetrics(client: string): boolean;
  metrics(): string;
  /** A proxy in front has ended the TLS. */
  readonly behindProxy: boolean;
}
