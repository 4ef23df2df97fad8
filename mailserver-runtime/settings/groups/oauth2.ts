/** Access tokens as logins (`oauth2`, RFC 7628). */
import { z } from "zod";

export const oauth2Settings = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description: "Offer OAUTHBEARER and XOAUTH2: logins with an access token.",
      dms: "ENABLE_OAUTH2",
    }),
    introspectionUrl: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({
        description:
          "Asked with the token as its bearer: the issuer's userinfo (OpenID Connect) or introspection address.",
        dms: "OAUTH2_INTROSPECTION_URL",
      }),
    jwks: z.string().min(1).optional().meta({
      description:
        "The issuer's public keys (JWKS): an address, or a file on the host. With them tokens that are JWTs are checked here, and nobody is asked.",
    }),
    issuer: z.string().optional().meta({ description: "The only `iss` a JWT may have." }),
    audience: z
      .array(z.string())
      .default([])
      .meta({ description: "A JWT is for one of these (`aud`); none: for anybody." }),
    usernameClaim: z
      .string()
      .min(1)
      .default("email")
      .meta({ description: "Where a token or an answer has the account's address." }),
    timeoutMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(5000)
      .meta({ description: "How long the issuer may take to answer." }),
  })
  .prefault({})
  .meta({ description: "Access tokens as logins (RFC 7628)." });
