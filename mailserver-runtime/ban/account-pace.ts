/**
 * Slows down guessing at one account from many addresses, which no count by address sees.
 *
 * When an account has had many failed logins within a few minutes from addresses that are strange to it, further
 * attempts from strange addresses take turns, one a second; who would wait too long is told to try later, and
 * no password is checked. An address with a recent good login to that account never waits and is never counted for
 * it, so an attacker cannot lock the owner out of where they are. Names nobody has are treated the same, so that
 * the pace tells nothing.
 */
import { clientKey } from "../net/address.ts";
import { keepNewest } from "./bounded.ts";

export interface PaceOptions {
  /** Failed logins from strange addresses after which attempts take turns; 0: never. */
  readonly after: () => number;
  readonly now: () => number;
  /** Told once for each stretch of guessing. */
  readonly onGuessing: (account: string, failures: number) => void;
}

/** Failures count this long, in milliseconds. */
const WINDOW_MS = 600_000;
/** Between two attempts that take turns. */
const SPACING_MS = 1000;
/** Nobody waits longer: mail clients give up after a minute or so. */
const LONGEST_WAIT_MS = 15_000;
/** A good login makes an address known to its account this long. */
const KNOWN_MS = 30 * 86_400_000;
const MOST_ACCOUNTS = 10_000;
const MOST_KNOWN = 50_000;

interface Guessing {
  failures: number;
  since: number;
  /** When the next attempt's turn is. */
  nextTurn: number;
}

export class AccountPace {
  readonly #options: PaceOptions;
  readonly #guessing = new Map<string, Guessing>();
  readonly #known = new Map<string, number>();

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Whether the address has had a good login to this account not long ago. */
  knows(account: string, client: string): boolean {
    const at = this.#known.get(pair(account, client));
    return at !== undefined && this.#options.now() - at <= KNOWN_MS;
  }

  /** Milliseconds to wait before the password is checked; undefined: not now. */
  turn(account: string, client: string): number | undefined {
    const now = this.#options.now();
    const after = this.#options.after();
    const guessing = this.#guessing.get(account);
    if (guessing === undefined || after === 0 || guessing.failures < after) return 0;
    if (now - guessing.since > WINDOW_MS || this.knows(account, client)) return 0;
    const wait = Math.max(0, guessing.nextTurn - now);
    if (wait > LONGEST_WAIT_MS) return undefined;
    guessing.nextTurn = now + wait + SPACING_MS;
    return wait;
  }

  succeeded(account: string, client: string): void {
    keepNewest(this.#known, pair(account, client), this.#options.now(), MOST_KNOWN);
  }

  /** Counts a failed login from an address that is strange to the account. */
  failed(account: string): void {
    const now = this.#options.now();
    const known = this.#guessing.get(account);
    const guessing =
      known !== undefined && now - known.since <= WINDOW_MS
        ? known
        : { failures: 0, since: now, nextTurn: now };
    guessing.failures++;
    keepNewest(this.#guessing, account, guessing, MOST_ACCOUNTS);
    if (guessing.failures === this.#options.after()) this.#options.onGuessing(account, guessing.failures);
  }

  /** Records held, for whoever watches memory. */
  get size(): number {
    return this.#guessing.size + this.#known.size;
  }
}

function pair(account: string, client: string): string {
  return `${account} ${clientKey(client)}`;
}
