/**
 * A session with one mail server: greeting, EHLO or HELO, STARTTLS by policy, AUTH where a relay wants it (RFC 5321,
 * 3207, 4954). What it promises: a session that `open` gives is ready for a transaction (see transaction.ts), and is as
 * safe as the policy asked. What it never does: send a password in plain text, or fall back to plain text where the
 * policy wants TLS.
 */
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { ipAddress } from "../../dns/records.ts";
import { authenticate, type Credentials } from "./auth.ts";
import { certificateProblem } from "./certificate-check.ts";
import { type Extensions, extensionsOf, noExtensions } from "./extensions.ts";
import { type Reply, replyText } from "./reply.ts";
import { TlsError, tlsFailureOf } from "./tls-error.ts";
import { plainTextAllowed, type TlsFailure, type TlsOutcome, type TlsPolicy } from "./tls-policy.ts";
import { ClientError, Wire } from "./wire.ts";

/** How long each step may take, in milliseconds (RFC 5321 §4.5.3.2 names the least). */
export interface Timeouts {
  readonly connect: number;
  readonly greeting: number;
  readonly command: number;
  readonly handshake: number;
  readonly data: number;
  readonly block: number;
  readonly final: number;
}
const MINUTE = 60_000;
export const standardTimeouts: Timeouts = {
  connect: 30_000,
  greeting: 5 * MINUTE,
  command: 5 * MINUTE,
  handshake: 30_000,
  data: 2 * MINUTE,
  block: 3 * MINUTE,
  final: 10 * MINUTE,
};

export interface SessionOptions {
  /** The server's name, for SNI and logs; an address where there is none. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** Our own name for EHLO. */
  readonly hostname: string;
  readonly policy: TlsPolicy;
  /** What it finds stands in the outcome and ends nothing. */
  readonly observed?: TlsPolicy;
  /** TLS from the first byte (RFC 8314), for relays. */
  readonly implicitTls?: boolean;
  readonly credentials?: Credentials;
  readonly localAddress?: string;
  /** Authorities that TLS trusts; Node's own where absent. */
  readonly ca?: ConnectionOptions["ca"];
  readonly timeouts?: Timeouts;
  readonly signal?: AbortSignal;
}

export class SmtpSession {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly wire: Wire;
  readonly timeouts: Timeouts;
  readonly extensions: Extensions;
  readonly tls: TlsOutcome;
  /** Transactions ended here so far. */
  transactions = 0;

  private constructor(options: SessionOptions, wire: Wire, extensions: Extensions, tls: TlsOutcome) {
    this.host = options.host;
    this.address = options.address;
    this.port = options.port;
    this.timeouts = options.timeouts ?? standardTimeouts;
    this.wire = wire;
    this.extensions = extensions;
    this.tls = tls;
  }

  /**
   * Opens a session. Where TLS fails and the policy lets it, connects again in plain text, because a server that broke
   * off a handshake is in no state to go on (RFC 7435 §3). @throws {ClientError}
   */
  static async open(options: SessionOptions): Promise<SmtpSession> {
    try {
      return await SmtpSession.#open(options, undefined);
    } catch (error) {
      const failure = tlsFailureOf(error);
      const retry =
        options.policy.level === "opportunistic" &&
        options.implicitTls !== true &&
        options.credentials === undefined;
      if (failure === undefined || !retry) throw error;
      return SmtpSession.#open({ ...options, policy: { level: "none" } }, failure);
    }
  }

  static async #open(options: SessionOptions, failure: TlsFailure | undefined): Promise<SmtpSession> {
    const { address, port, localAddress, signal, policy } = options;
    if (policy.level === "refuse") throw new TlsError(policy.failure, policy.failure.text);
    const timeouts = options.timeouts ?? standardTimeouts;
    const wire = await Wire.connect({ address, port, localAddress, signal, timeoutMs: timeouts.connect });
    try {
      let secure = options.implicitTls ? await handshake(wire, options, timeouts) : undefined;
      const greeting = await wire.reply(timeouts.greeting, "waiting for the greeting");
      if (greeting.code !== 220)
        throw new ClientError("refused", `greeted with ${replyText(greeting)}`, greeting);
      let extensions = await hello(wire, options.hostname, timeouts);
      let unsecured = failure;
      if (secure === undefined && policy.level !== "none") {
        const problem = extensions.startTls ? await askForTls(wire, timeouts) : notOffered;
        if (problem === undefined) {
          secure = await handshake(wire, options, timeouts);
          extensions = await hello(wire, options.hostname, timeouts);
        } else if (plainTextAllowed(policy)) unsecured = problem;
        else throw new TlsError(problem, `TLS is required for ${options.host}, but ${problem.text}`);
      }
      if (secure !== undefined && options.observed !== undefined)
        unsecured = certificateProblem(secure, options.observed);
      if (options.credentials !== undefined) {
        if (secure === undefined)
          throw new ClientError("tls", `the login for ${options.host} is not sent without TLS`);
        await authenticate(wire, extensions, options.credentials, timeouts.command);
      }
      return new SmtpSession(options, wire, extensions, {
        policy: failure === undefined ? policy.level : "opportunistic",
        protocol: secure?.getProtocol() ?? undefined,
        cipher: secure?.getCipher().name,
        failure: unsecured,
      });
    } catch (error) {
      wire.destroy();
      throw error;
    }
  }

  get usable(): boolean {
    return this.wire.usable && !this.wire.spoken;
  }

  /** The server promises to keep REQUIRETLS; said without TLS the promise counts for nothing (RFC 8689 §2). */
  get keepsTls(): boolean {
    return this.extensions.requireTls && this.tls.protocol !== undefined;
  }

  /** Ends a transaction that did not end by itself (RFC 5321 §4.1.1.5). False when the session is over. */
  async reset(): Promise<boolean> {
    try {
      this.wire.write("RSET\r\n");
      return (await this.wire.reply(this.timeouts.command, "RSET")).code === 250;
    } catch {
      return false;
    }
  }

  close(): void {
    this.wire.end("QUIT\r\n");
  }

  /** `mx.example.org[192.0.2.1]:25` and the TLS version, as logs and transcripts show it. */
  get description(): string {
    return `${this.host}[${this.address}]:${this.port}${this.tls.protocol === undefined ? "" : ` ${this.tls.protocol}`}`;
  }
}

/** EHLO, and HELO where a server does not know EHLO (RFC 5321 §4.1.1.1). */
async function hello(wire: Wire, hostname: string, timeouts: Timeouts): Promise<Extensions> {
  wire.write(`EHLO ${hostname}\r\n`);
  const reply = await wire.reply(timeouts.command, "EHLO");
  if (reply.code === 250) return extensionsOf(reply);
  if (reply.code === 421 || reply.code < 500) throw refusal("EHLO", reply);
  wire.write(`HELO ${hostname}\r\n`);
  const answer = await wire.reply(timeouts.command, "HELO");
  if (answer.code !== 250) throw refusal("HELO", answer);
  return noExtensions;
}

const refusal = (command: string, reply: Reply): ClientError =>
  new ClientError("refused", `${command} was answered ${replyText(reply)}`, reply);

const notOffered: TlsFailure = { type: "starttls-not-supported", text: "STARTTLS is not offered" };

/** Undefined when the server is ready for the handshake, else what it said. */
async function askForTls(wire: Wire, timeouts: Timeouts): Promise<TlsFailure | undefined> {
  wire.write("STARTTLS\r\n");
  const reply = await wire.reply(timeouts.command, "STARTTLS");
  return reply.code === 220
    ? undefined
    : { type: "starttls-not-supported", text: `STARTTLS was answered ${replyText(reply)}` };
}

async function handshake(wire: Wire, options: SessionOptions, timeouts: Timeouts): Promise<TLSSocket> {
  const { policy, host } = options;
  const servername = (policy.level === "judge" ? policy.serverName : undefined) ?? host;
  const secure = await wire.startTls(
    {
      servername: ipAddress(servername) === undefined ? servername : undefined,
      // The policy judges below; a certificate nobody asked about must not end the connection.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ca: options.ca,
    },
    timeouts.handshake,
  );
  const problem = certificateProblem(secure, policy);
  if (problem === undefined) return secure;
  wire.destroy();
  throw new TlsError(problem, `the certificate of ${host} does not do: ${problem.text}`);
}
