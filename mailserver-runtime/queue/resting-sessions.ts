/**
 * Sessions whose destination has no more mail, kept for a moment for another domain with the same mail host (RFC 5321
 * §4.5.4.1): a hoster's one MX serves thousands of domains, and a session costs more than a message.
 *
 * Only sessions of which nobody asked anything special are kept: an MX host, TLS as it came, no login. What a domain has
 * published about TLS, and what a message asks, is looked at for each host before a session is taken from here.
 */
import type { SmtpSession } from "./client/session.ts";
import type { Target } from "./client/targets.ts";
import type { TlsDemand } from "./client/tls-policy.ts";
import { receiverOf } from "./receivers.ts";

/** How long a session waits for another domain's mail. */
const REST_MS = 1000;
/** Sessions that rest at once; further ones are closed. */
const MOST = 50;

interface Resting {
  readonly session: SmtpSession;
  readonly timer: NodeJS.Timeout;
}

export class RestingSessions {
  /** Where each session leads that may serve other domains. */
  readonly #places = new WeakMap<SmtpSession, string>();
  readonly #resting = new Map<string, Resting[]>();
  #count = 0;
  #closed = false;

  /** The session may serve any domain with this host, once its own has no more mail. */
  share(session: SmtpSession, target: Target): void {
    this.#places.set(session, place(target));
  }

  /** Keeps the session where it may serve others, and closes it otherwise. */
  rest(session: SmtpSession): void {
    const at = this.#places.get(session);
    if (at === undefined || this.#closed || this.#count >= MOST || !session.usable) {
      session.close();
      return;
    }
    const waiting = this.#resting.get(at) ?? [];
    const timer = setTimeout(() => {
      this.#forget(at, resting);
      session.close();
    }, REST_MS);
    const resting: Resting = { session, timer };
    this.#resting.set(at, [...waiting, resting]);
    this.#count += 1;
  }

  /** A session that rests there and is still open. */
  take(target: Target): SmtpSession | undefined {
    const at = place(target);
    for (const resting of this.#resting.get(at) ?? []) {
      this.#forget(at, resting);
      if (resting.session.usable) return resting.session;
      resting.session.close();
    }
    return undefined;
  }

  /** Ends one that rests at the organisation behind a host to which a new connection is made: together they count once. */
  makeRoom({ host }: Target): void {
    const receiver = receiverOf(host);
    for (const [at, [resting]] of this.#resting) {
      if (resting === undefined || receiverOf(resting.session.host) !== receiver) continue;
      this.#forget(at, resting);
      resting.session.close();
      return;
    }
  }

  close(): void {
    this.#closed = true;
    for (const [at, all] of this.#resting)
      for (const resting of all) {
        this.#forget(at, resting);
        resting.session.close();
      }
  }

  #forget(at: string, resting: Resting): void {
    clearTimeout(resting.timer);
    this.#count -= 1;
    const others = (this.#resting.get(at) ?? []).filter((one) => one !== resting);
    if (others.length === 0) this.#resting.delete(at);
    else this.#resting.set(at, others);
  }
}

/** Whether a host is asked nothing: nothing is published about it, or looked at. */
export function asksNothing({ policy, observed, basis }: TlsDemand): boolean {
  return policy.level === "opportunistic" && observed === undefined && basis.type === "no-policy-found";
}

const place = ({ host, address, port, localAddress }: Target): string =>
  `${host} ${address} ${port} ${localAddress ?? ""}`;
