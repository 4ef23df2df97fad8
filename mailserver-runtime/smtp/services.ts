/** What an SMTP session asks of the other rooms. Everything comes in from outside, so that a test gives what it wants. */
import type { Authenticator } from "../auth/authenticator.ts";
import type { SaslOffer } from "../auth/sasl-offer.ts";
import type { Offend } from "../ban/offence.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { InboundFilter, Signer } from "../filter/pipeline.ts";
import type { Greylisting } from "../greylist/greylisting.ts";
import type { SpoolOptions } from "../message/spooled-content.ts";
import type { Connection } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import type { OutboundQueue, QueueSubmission } from "../queue/queue.ts";
import type { Refusal, Route } from "../routing/route.ts";
import type { MailStore } from "../store/mail-store.ts";
import type { SmtpLimits } from "./limits.ts";
import type { SessionState } from "./moving.ts";
import type { SubmissionLimiter } from "./submission-limits/limiter.ts";

export interface SmtpServices {
  readonly snapshot: () => Snapshot;
  /** `routing/routing.ts`: at least one route; a refused one stands alone. */
  readonly routeRecipient: (snapshot: Snapshot, address: string) => readonly Route[];
  /** `routing/routing.ts`: what the access list says about a reverse-path. */
  readonly senderRefusal: (snapshot: Snapshot, sender: string) => Refusal | undefined;
  /** Whether a domain says that it takes no mail (null MX, RFC 7505); false where the DNS does not say. Never rejects. */
  readonly takesNoMail?: (domain: string) => Promise<boolean>;
  /** Whether an address has a name that its own addresses confirm; undefined where the DNS does not say. Never rejects. */
  readonly isConfirmed?: (address: string) => Promise<boolean | undefined>;
  readonly store: Pick<MailStore, "deliver" | "usage">;
  readonly queue: Pick<OutboundQueue, "enqueue" | "prepare">;
  /** Looks at mail from outside; without it nothing is judged. */
  readonly filter?: InboundFilter;
  /** Looks at what users submit; without it only limits do. */
  readonly submittedFilter?: InboundFilter & { readonly isAsked: () => boolean };
  /** Asks who is new to come again; without it nobody is. */
  readonly greylisting?: Greylisting;
  /** Keeps what policy keeps from its recipients; without it such mail is refused. */
  readonly quarantine?: Pick<Quarantine, "detain" | "remove">;
  /** Signs mail of this host's users; without it nothing is signed. */
  readonly signer?: Signer;
  /** Holds what an account sends beyond its limits; without it nobody has any. */
  readonly limiter?: Pick<SubmissionLimiter, "admit" | "giveBack">;
  /** Needed for submission. */
  readonly authenticator?: Authenticator;
  /** SASL mechanisms beside passwords; without it PLAIN and LOGIN. */
  readonly sasl?: SaslOffer;
  /** Whether STARTTLS is offered. */
  readonly offersTls: boolean;
  /**
   * Whether submitted mail goes to this local recipient at once; otherwise it takes the queue's way through
   * MX and reception as mail from anywhere does. Default: always at once.
   */
  readonly deliversDirectly?: (
    senderDomain: string,
    route: Extract<Route, { readonly kind: "local" }>,
  ) => boolean;
  /** The reverse-path of a message that an alias sends on to another host (`routing/srs.ts`); default: unchanged. */
  readonly forwardSender?: (snapshot: Snapshot, reversePath: string) => string;
  /** Takes mail that this server makes itself, at routing (`reentry.ts`); default: the queue. */
  readonly reenter?: (submission: QueueSubmission) => Promise<unknown>;
  /** `routing/trusted-networks.ts`: whether a client may relay without a login; default: nobody may (DESIGN D9). */
  readonly trusts?: (address: string) => boolean;
  /** `ban/bans.ts`: hears of protocol abuse, unknown recipients and relay attempts. */
  readonly offend?: Offend;
  /** Whether the disk has room for so many bytes of new mail (`disk/free-space.ts`); default: always. */
  readonly hasRoomFor?: (bytes: number) => boolean;
  /**
   * Asked after each message of a session that could go on in another process (`moving.ts`): gives the connection to one
   * with less to do, and whether it did. Default: sessions stay.
   */
  readonly move?: (connection: Connection, state: SessionState) => boolean;
  readonly spool: SpoolOptions;
  readonly limits?: Partial<SmtpLimits>;
  readonly log: Log;
  readonly now?: () => number;
}
