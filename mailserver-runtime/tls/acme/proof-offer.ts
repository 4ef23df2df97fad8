/** TLS-ALPN-01 (RFC 8737): a handshake that asks for `acme-tls/1` is answered with the proof of its name. */
import { createSecureContext, type SecureContext } from "node:tls";
import type { TlsOffer } from "../../net/socket-connection.ts";
import { ACME_ALPN, alpnProof } from "./proof-files.ts";

/** As it stands in the extension (RFC 7301 §3.1): the protocol after its length. */
const asked = Buffer.from(`${String.fromCharCode(ACME_ALPN.length)}${ACME_ALPN}`, "latin1");

/** Undefined for a client that does not ask for it. A name that is not being proven has no handshake. */
export function proofOffer(state: string, hello: Buffer): TlsOffer | undefined {
  if (!hello.includes(asked)) return undefined;
  return {
    alpn: [ACME_ALPN],
    contexts: {
      context(servername) {
        const proof = servername === undefined ? undefined : alpnProof(state, servername);
        if (proof === undefined && servername !== undefined)
          throw new Error(`nothing is proven for ${servername}`);
        return proof ?? noCertificate();
      },
    },
  };
}

let empty: SecureContext | undefined;
/** Before the name is known, and for clients that name none: nobody can shake hands with it. */
function noCertificate(): SecureContext {
  empty ??= createSecureContext();
  return empty;
}
