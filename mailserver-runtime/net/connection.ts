/**
 * A client's connection as the line protocols see it (SMTP, IMAP, POP3, ManageSieve).
 *
 * Reading is pulled: a protocol asks for a line or for so many bytes, and while it does not ask, the socket
 * is paused, so a fast sender can never fill memory. Every limit is the caller's argument; every time-out
 * and end is an error of the closed list below. Writing collects replies of one turn into one packet.
 */
import type { SecureContext } from "node:tls";

export type ConnectionEnd =
  | "closed" // the peer ended the connection
  | "timeout" // nothing came for the time allowed
  | "not-reading" // the peer did not take what was sent for the time allowed
  | "line-too-long" // no line end within the limit; the rest of the line has not been read
  | "shutdown" // this server is stopping
  | "tls"; // handshake failed
export class ConnectionError extends Error {
  readonly code: ConnectionEnd;
  constructor(code: ConnectionEnd, message: string) {
    super(message);
    this.name = "ConnectionError";
    this.code = code;
  }
}

export type ChannelBindingType = "tls-exporter" | "tls-server-end-point";

export interface Connection {
  readonly id: string;
  readonly remote: { readonly address: string; readonly port: number };
  readonly local: { readonly address: string; readonly port: number };
  /** TLS of this connection, undefined while it is plain text. */
  readonly tls:
    | { readonly protocol: string; readonly cipher: string; readonly servername: string | undefined }
    | undefined;
  /**
   * What SCRAM-PLUS binds a login to: tls-exporter (RFC 9266), undefined without TLS 1.3; or the hash of our
   * certificate, tls-server-end-point (RFC 5929 §4.1), undefined without TLS or where it has no single hash.
   */
  channelBinding(type: ChannelBindingType): Buffer | undefined;
  /** Bytes that have arrived and have not been asked for; used to see pipelining and early talkers. */
  buffered(): number;
  /**
   * The next line without its line end, which must be CRLF, or (with `bareLf`) LF alone. The Buffer is a
   * view that is valid until the next read. Rejects with ConnectionError.
   */
  readLine(limit: number, timeoutMs: number, options?: { readonly bareLf?: boolean }): Promise<Buffer>;
  /** With `bareLf`: whether the line given last ended in LF alone. */
  readonly lineEndedBare: boolean;
  /** The next chunk of raw bytes, at least one, at most `max`; for DATA, BDAT and literals. */
  readChunk(max: number, timeoutMs: number): Promise<Buffer>;
  /** Puts bytes back in front of what will be read next. */
  unread(bytes: Buffer): void;
  /** Queues bytes for the peer; sent together at the end of this turn of the event loop. */
  write(bytes: Buffer | string): void;
  /** Resolves when what was written has left the process or fits below the high-water mark; the way to stream a large answer. */
  drained(timeoutMs: number): Promise<void>;
  /**
   * Sends what is queued, then starts TLS as a server; no read may be waiting. Bytes buffered before the
   * handshake are an attack (RFC 3207 §4.2, CVE-2011-0411): a caller that sees `buffered() > 0` says so in
   * its protocol and ends; if it does not, this rejects with "tls" and destroys the connection.
   */
  startTls(): Promise<void>;
  /** Sends what is queued and ends. */
  end(): void;
  /** Ends at once. */
  destroy(): void;
  readonly closed: boolean;
}

/** Gives the certificate for a name; changes take effect on the next handshake. */
export interface TlsContexts {
  context(servername: string | undefined): SecureContext;
}
