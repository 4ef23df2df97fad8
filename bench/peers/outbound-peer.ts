/** A server whose way out is measured: mail for `sink.test` goes to a port on loopback. */
export interface OutboundServer {
  /** Takes mail for the address that is forwarded to `sink.test`. */
  readonly smtpPort: number;
  /** How many messages wait in its queue. */
  waiting(): Promise<number>;
  /** Tries all of them now. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}
export interface OutboundPeer {
  readonly name: string;
  /** Why it cannot run here, or undefined. */
  missing(): string | undefined;
  version(): string;
  /** Starts it in `directory` (empty, its own); it sends to `sinkPort`. */
  start(directory: string, sinkPort: number): Promise<OutboundServer>;
}

/** Forwarded to the sink. */
export const forwardedAddress = "out@bench.test";
export const sinkAddress = "box@sink.test";
