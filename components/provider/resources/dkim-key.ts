/**
 * A DKIM key pair (RFC 6376). It is made on the host and its private part stays there; the stack sees what the DNS
 * publishes.
 */
import { z } from "zod";
import { domain, selector } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

const algorithm = z.enum(["rsa-2048", "rsa-4096", "ed25519"]);
const INFIX = "._domainkey.";

export const dkimKey = resourceType({
  token: "mailkeep:index:DkimKey",
  description: "A DKIM key pair, made on the host; only its public part leaves it.",
  inputs: z.object({
    domain: domain.meta({ description: "The domain it signs for." }),
    selector: selector.meta({ description: "Its name in the DNS: <selector>._domainkey.<domain>." }),
    algorithm: algorithm.default("rsa-2048").meta({ description: "Kind and size of the key." }),
    active: z.boolean().default(true).meta({ description: "Whether the server signs with it now." }),
  }),
  facts: z.object({
    publicKey: z.string().meta({
      description: "Base64: SubjectPublicKeyInfo for RSA, the key's 32 octets for Ed25519 (RFC 8463).",
    }),
  }),
  identity: ["domain", "selector"],
  secrets: [],
  id: (inputs) => `${inputs.selector}${INFIX}${inputs.domain}`,
  async put({ host, owner, limit }, inputs) {
    const { publicKey } = await host.perform("dkim.put", { ...inputs, owner }, limit);
    return { publicKey };
  },
  async read({ host, limit }, id) {
    const [selector = "", domain = ""] = id.split(INFIX);
    const answer = await host.perform("dkim.read", { domain, selector }, limit);
    const known = algorithm.safeParse(answer.algorithm);
    if (!answer.exists || answer.publicKey === undefined || !known.success) return undefined;
    return {
      inputs: { domain, selector, algorithm: known.data, active: answer.active ?? false },
      facts: { publicKey: answer.publicKey },
      owner: answer.owner,
    };
  },
  async remove({ host, owner, limit }, { domain, selector }) {
    await host.perform("dkim.remove", { domain, selector, owner }, limit);
  },
});
