/**
 * The account that the server's own probe uses: `probe@mailkeep.invalid`. No file declares it and nobody has its password:
 * the probe shows a secret that this process made at its start, from this machine only. Its domain can exist nowhere
 * (RFC 2606 §2), strangers are refused there as for any domain that is not ours, and the mail in it is the probe's own.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Account } from "../config/snapshot.ts";

export const PROBE_ADDRESS = "probe@mailkeep.invalid";

/** What a snapshot answers for the address. */
export const probeAccount: Account = {
  address: PROBE_ADDRESS,
  domain: "mailkeep.invalid",
  passwordHash: undefined,
  enabled: true,
  // What an interrupted probe leaves is deleted by the next one; more than that is nobody's mail.
  quotaBytes: 1 << 20,
  origin: { file: "the server's own probe", line: 0, owner: "setup" },
};

export const isLoopback = (address: string): boolean =>
  address === "::1" || /^(?:::ffff:)?127\./i.test(address);

/** Lets the probe in, and everybody else as before. */
export function withProbeLogin(
  authenticator: Authenticator,
  isOwn: (address: string) => boolean,
): { readonly authenticator: Authenticator; readonly secret: string } {
  const secret = randomBytes(24).toString("base64url");
  const expected = Buffer.from(secret);
  return {
    secret,
    authenticator: {
      ...authenticator,
      async verify(attempt) {
        const given = Buffer.from(attempt.password ?? "");
        const isProbe =
          attempt.username === PROBE_ADDRESS &&
          (isLoopback(attempt.client.address) || isOwn(attempt.client.address)) &&
          given.length === expected.length &&
          timingSafeEqual(given, expected);
        return isProbe ? { ok: true, account: PROBE_ADDRESS } : authenticator.verify(attempt);
      },
    },
  };
}
