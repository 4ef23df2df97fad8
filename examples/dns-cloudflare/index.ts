/**
 * One domain whose records are published at Cloudflare.
 *
 * ```
 * pulumi config set --secret cloudflareToken   # an API token with Zone → Zone → Read and Zone → DNS → Edit
 * pulumi preview
 * ```
 */
import * as pulumi from "@pulumi/pulumi";
import { MailStack } from "mailkeep";

const config = new pulumi.Config();

const mail = new MailStack("mail", {
  domains: [{ name: "example.org", dmarc: { policy: "none", rua: ["dmarc@example.org"] } }],
  mailboxes: ["anna@example.org"],
  aliases: { "dmarc@example.org": "anna@example.org" },
  host: { type: "local" },
  addresses: { ipv4: ["192.0.2.10"], ipv6: ["2001:db8::10"] },
  dns: { type: "cloudflare", zones: ["example.org"] },
  tokens: { cloudflare: config.requireSecret("cloudflareToken") },
});

export const { hostname, recordsLeftOut } = mail;
