/**
 * The Sender Rewriting Scheme: a forward's reverse-path becomes an address of ours, so that SPF of the original sender's
 * domain does not refuse the forward, and a bounce finds its way back through us.
 *
 * No RFC; the form is that of libsrs2 and PostSRSd, bit for bit, so that a secret taken over from there keeps bounces of
 * yesterday's forwards coming:
 *
 *     ann@example.org            SRS0=hash=day=example.org=ann@here
 *     SRS0=...@first.example     SRS1=hash=first.example==...@here      (a second forwarder keeps the first's work)
 *
 * The hash is the first four base64 characters of an HMAC-SHA1 over the lower-cased parts: short, because the whole
 * must fit an address; enough, because all it guards is a relay for bounces, and it ends after MAX_AGE_DAYS.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { formatAddress, type MailAddress, parseAddress } from "../message/address.ts";

/** How long a rewritten address takes bounces, as in PostSRSd. */
export const MAX_AGE_DAYS = 21;

export interface SrsOptions {
  /** The first signs, all verify. */
  readonly secrets: readonly string[];
  /** The domain of rewritten addresses; must be hosted here, and its SPF must name this host. */
  readonly domain: string;
  /** Domains that need no rewriting: those hosted here, whose SPF names this host anyway. */
  readonly isOurs: (domain: string) => boolean;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** Why an address that looks rewritten is not taken back. */
export type SrsProblem = "malformed" | "bad hash" | "expired";

export interface Srs {
  /** The reverse-path for a forward. "" and what needs no rewriting come back unchanged. */
  forward(reversePath: string): string;
  /** Whether this local part is of the scheme at all; anything else is an ordinary address. */
  recognises(address: MailAddress): boolean;
  /** Where a bounce to a rewritten address goes next. */
  reverse(address: MailAddress): { readonly address: string } | { readonly problem: SrsProblem };
}

const HASH_LENGTH = 4;
const DAY_MS = 86_400_000;
/** Two base32 digits hold the day's number modulo 1024. */
const DAY_RANGE = 1024;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SRS0 = /^SRS0[=+-]([^=]+)=([A-Za-z2-7]{2})=([^=]+)=(.*)$/is;
const SRS1 = /^SRS1[=+-]([^=]+)=([^=]*)=([=+-].*)$/is;

/** Makes the rewriter. */
export function createSrs(options: SrsOptions): Srs {
  const [signing] = options.secrets;
  if (signing === undefined) throw new RangeError("SRS needs at least one secret");
  const clock = options.clock ?? Date.now;
  const today = (): number => Math.floor(clock() / DAY_MS) % DAY_RANGE;
  const verified = (hash: string, parts: readonly string[]): boolean =>
    options.secrets.some((secret) => sameHash(hash, hashOf(secret, parts)));
  const ours = (localPart: string): string => formatAddress({ localPart, domain: options.domain });

  return {
    forward(reversePath) {
      const sender = parseAddress(reversePath);
      if (sender === undefined || sender.literal !== undefined || options.isOurs(sender.domain))
        return reversePath;
      const again = SRS1.exec(sender.localPart);
      if (again !== null) return ours(guarded(signing, again[2] ?? "", again[3] ?? ""));
      if (SRS0.test(sender.localPart))
        return ours(guarded(signing, sender.domain, sender.localPart.slice(4)));
      const day = dayText(today());
      const hash = hashOf(signing, [day, sender.domain, sender.localPart]);
      return ours(`SRS0=${hash}=${day}=${sender.domain}=${sender.localPart}`);
    },
    recognises(address) {
      return address.domain === options.domain && /^SRS[01][=+-]/i.test(address.localPart);
    },
    reverse(address) {
      const first = SRS0.exec(address.localPart);
      if (first !== null) {
        const [, hash = "", day = "", domain = "", user = ""] = first;
        if (!verified(hash, [day, domain, user])) return { problem: "bad hash" };
        const age = (today() - dayNumber(day) + DAY_RANGE) % DAY_RANGE;
        return age > MAX_AGE_DAYS ? { problem: "expired" } : original(user, domain);
      }
      const [, hash = "", domain = "", rest = ""] = SRS1.exec(address.localPart) ?? [];
      if (hash === "") return { problem: "malformed" };
      return verified(hash, [domain, rest]) ? original(`SRS0${rest}`, domain) : { problem: "bad hash" };
    },
  };
}

/**
 * The secrets of a file, one a line, the first of which signs; a file that is not there is made with a random one,
 * readable by its owner alone.
 */
export async function loadSrsSecrets(file: string): Promise<readonly string[]> {
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(`${randomBytes(18).toString("base64")}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const secrets = (await readFile(file, "utf8"))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (secrets.length === 0)
    throw new RangeError(`${file} holds no SRS secret; delete it, and a new one is made at the next start`);
  return secrets;
}

const guarded = (secret: string, domain: string, rest: string): string =>
  `SRS1=${hashOf(secret, [domain, rest])}=${domain}=${rest}`;

function original(
  localPart: string,
  domain: string,
): { readonly address: string } | { readonly problem: SrsProblem } {
  const address = parseAddress(formatAddress({ localPart, domain }));
  return address === undefined ? { problem: "malformed" } : { address: formatAddress(address) };
}

function hashOf(secret: string, parts: readonly string[]): string {
  const hmac = createHmac("sha1", secret);
  for (const part of parts) hmac.update(part.toLowerCase());
  return hmac.digest("base64").slice(0, HASH_LENGTH);
}

/** Without regard to case: hosts on the way may have folded the local part. */
function sameHash(given: string, expected: string): boolean {
  const [left, right] = [given, expected].map((hash) => Buffer.from(hash.toLowerCase()));
  return (
    left !== undefined && right !== undefined && left.length === right.length && timingSafeEqual(left, right)
  );
}

const dayText = (day: number): string => `${BASE32[day >> 5]}${BASE32[day & 31]}`;
const dayNumber = (text: string): number =>
  BASE32.indexOf((text[0] ?? "").toUpperCase()) * 32 + BASE32.indexOf((text[1] ?? "").toUpperCase());
