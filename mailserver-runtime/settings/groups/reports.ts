/** Reports to other domains, and from them (`reports`). */
import { z } from "zod";

export const reportsSettings = z
  .strictObject({
    tls: z.boolean().default(true).meta({
      description: "Tell domains that ask for it how TLS with their hosts went, daily (TLS-RPT, RFC 8460).",
    }),
    dmarc: z.boolean().default(true).meta({
      description:
        "Tell domains that ask for it who sent mail in their name, and whether it was theirs, daily (DMARC aggregate reports, RFC 9990).",
    }),
    addresses: z.array(z.string()).default([]).meta({
      description:
        "Addresses here at which reports about our own domains come in: the `rua` of their DMARC and TLS-RPT records. What comes there is delivered as all mail, and read for `mailkeep reports`.",
    }),
  })
  .prefault({})
  .meta({ description: "Reports to other domains, and from them." });
