/** What the queue is given by whoever opens it: everything that is not files. */
import type { ConnectionOptions } from "node:tls";
import type { Resolver } from "../dns/resolver.ts";
import type { Log } from "../net/log.ts";
import type { Refusal } from "../routing/route.ts";
import type { Settings } from "../settings/schema.ts";
import type { Timeouts } from "./client/session.ts";
import type { IsOurself, Target } from "./client/targets.ts";
import type { TlsDemand } from "./client/tls-policy.ts";
import type { TlsAttempt } from "./delivery.ts";
import type { QueueSubmission } from "./queue.ts";
import type { Relay } from "./relay.ts";

export interface QueueOptions {
  /** The spool; made where it is not there yet. */
  readonly directory: string;
  readonly resolver: Resolver;
  readonly settings: () => Settings;
  readonly log: Log;
  /**
   * Takes a report for a message's sender and makes it durable before it resolves: routes its recipient, delivers to a
   * local account, or calls `enqueue`. Without it reports go into this queue.
   */
  readonly report?: (submission: QueueSubmission) => Promise<void>;
  /**
   * Delivers to mailboxes of this server what was queued because their store failed (DESIGN D8). Without it such mail
   * would go to the domain's MX, which is this server.
   */
  readonly local?: LocalDelivery;
  /** The relay for a recipient; undefined: its MX. */
  readonly relayFor?: (from: string, recipient: string) => Relay | undefined;
  /** The relay that takes what a receiver is not to have today (`delivery.warmUp`); undefined: it waits. */
  readonly overflowRelay?: () => Relay | undefined;
  /** The file that remembers what each receiver has had (warm-up.ts); without it that is forgotten with the process. */
  readonly warmUpFile?: string;
  /** Whether connecting there would reach this server's own MX listener. */
  readonly isOurself?: IsOurself;
  /** What TLS a host must offer; opportunistic where nothing is said. Never rejects. */
  readonly tlsDemand?: (domain: string, target: Target) => Promise<TlsDemand>;
  /** What a relay's host has published about its certificate (DANE); undefined: nothing. Never rejects. */
  readonly relayDemand?: (relay: string, target: Target) => Promise<TlsDemand | undefined>;
  /** Told how TLS went with each MX host that was connected to (RFC 8460). */
  readonly onTls?: (attempt: TlsAttempt) => void;
  /** Authorities that TLS trusts, PEM; Node's own where absent. */
  readonly ca?: ConnectionOptions["ca"];
  readonly timeouts?: Timeouts;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
}

/** The way back into this server's own mailboxes. */
export interface LocalDelivery {
  /** Whether a domain's mailboxes are here. */
  readonly hosts: (domain: string) => boolean;
  /**
   * Delivers to one recipient, durable when it resolves. A recipient that is not there any more is answered with the
   * refusal, and its sender is told; a store that fails rejects, and is tried again.
   */
  readonly deliver: (submission: QueueSubmission) => Promise<Pick<Refusal, "status" | "text"> | undefined>;
}
