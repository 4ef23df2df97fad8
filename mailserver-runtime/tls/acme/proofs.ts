/** Proofs of control (RFC 8555 §8): one row a challenge type says how a proof is shown, and taken away again. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AcmeChallenge } from "../../settings/certificate-issuer.ts";
import { acmeLibrary } from "./client.ts";
import { publishRecord } from "./dns-publishers.ts";
import { AcmeFailure } from "./failure.ts";
import type { OrderSurroundings } from "./order.ts";
import { removeAlpnProof, removeHttpProof, writeAlpnProof, writeHttpProof } from "./proof-files.ts";

export interface Proof {
  /** Without the star of a wildcard. */
  readonly name: string;
  readonly token: string;
  /** What acme-client makes of token and account: for DNS-01 its digest already. */
  readonly keyAuthorization: string;
}
/** Takes the proof away; never rejects for a proof that is gone already. */
export type Withdraw = () => Promise<void>;

type Show<T extends AcmeChallenge["type"]> = (
  surroundings: OrderSurroundings,
  challenge: Extract<AcmeChallenge, { type: T }>,
  proof: Proof,
) => Promise<Withdraw>;

const shows: { readonly [T in AcmeChallenge["type"]]: Show<T> } = {
  async "http-01"({ state }, _challenge, { token, keyAuthorization }) {
    await writeHttpProof(state, token, keyAuthorization);
    return () => removeHttpProof(state, token);
  },
  async "tls-alpn-01"({ state }, _challenge, { name, keyAuthorization }) {
    const { crypto } = await acmeLibrary();
    const identifier = { type: "dns", value: name };
    const [key, certificate] = await crypto.createAlpnCertificate(
      { identifier, status: "pending", challenges: [], url: "" },
      keyAuthorization,
    );
    await writeAlpnProof(state, name, `${key}\n${certificate}`);
    return () => removeAlpnProof(state, name);
  },
  async "dns-01"({ resolver }, { publisher, settleSeconds }, { name, keyAuthorization }) {
    // The authority follows an alias into another zone (RFC 8555 §8.4), one that may be for proofs alone; so the proof goes there.
    const asked = `_acme-challenge.${name}`;
    const { cname = asked } = await resolver.resolve(asked, "TXT");
    const withdraw = await publishRecord(publisher, cname, keyAuthorization);
    await sleep(settleSeconds * 1000, undefined, { ref: false });
    return withdraw;
  },
};

/** @throws {AcmeFailure} "publish" */
export async function showProof(
  surroundings: OrderSurroundings,
  challenge: AcmeChallenge,
  proof: Proof,
): Promise<Withdraw> {
  const show = shows[challenge.type] as Show<AcmeChallenge["type"]>;
  try {
    return await show(surroundings, challenge, proof);
  } catch (error) {
    if (error instanceof AcmeFailure) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new AcmeFailure(
      "publish",
      `the ${challenge.type} proof of ${proof.name} could not be shown: ${reason}`,
    );
  }
}
