/** Senders of what is forwarded (`srs`). */
import { z } from "zod";

export const srsSettings = z
  .strictObject({
    enabled: z.boolean().default(true).meta({
      description:
        "Rewrite the reverse-path of what is forwarded to other hosts (SRS). Unlike in docker-mailserver it is on unless it is switched off.",
      dms: "ENABLE_SRS",
    }),
    domain: z.string().optional().meta({
      description: "Domain of rewritten senders; default the host's own domain.",
      dms: "SRS_DOMAINNAME",
    }),
    secrets: z.array(z.string().min(1)).default([]).meta({
      description: "The first signs, all verify; default a secret made at the first start.",
      dms: "SRS_SECRET",
    }),
    excludeDomains: z.array(z.string()).default([]).meta({
      description: "Sender domains that are never rewritten; `.example.org` means its subdomains.",
      dms: "SRS_EXCLUDE_DOMAINS",
    }),
  })
  .prefault({});
