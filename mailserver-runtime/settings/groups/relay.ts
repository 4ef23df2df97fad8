/** The relay hosts of docker-mailserver's variables (`relay`). */
import { z } from "zod";
import { portSchema } from "../port.ts";

export const relaySettings = z
  .strictObject({
    host: z.string().optional().meta({
      description:
        "Relay of the mail of all hosted domains that postfix-relaymap.cf has no line for: a host, or `[host]`.",
      dms: "RELAY_HOST",
    }),
    port: portSchema.default(25).meta({ description: "Port of `relay.host`.", dms: "RELAY_PORT" }),
    user: z.string().optional().meta({ description: "Login at `relay.host`.", dms: "RELAY_USER" }),
    password: z.string().optional().meta({
      description: "Its password. A stack declares relays with their secrets as resources instead.",
      dms: "RELAY_PASSWORD",
    }),
    tls: z.enum(["opportunistic", "starttls", "implicit"]).optional().meta({
      description:
        "TLS of `relay.host` and `relay.defaultHost`; default: `implicit` at port 465, `starttls` (required, certificate checked) with a login, else `opportunistic`.",
    }),
    caFile: z.string().startsWith("/", { error: "is no absolute path" }).optional().meta({
      description:
        "File with certificates (PEM) of the authorities that the relays of these variables and of postfix-relaymap.cf are trusted by, instead of the usual ones.",
    }),
    defaultHost: z.string().optional().meta({
      description:
        "Relay of all mail that no other rule speaks of: `[host]:port`, or `host:port` whose MX is asked for first.",
      dms: "DEFAULT_RELAY_HOST",
    }),
  })
  .prefault({})
  .meta({ description: "Relay hosts of docker-mailserver's variables; a stack declares `relays`." });
