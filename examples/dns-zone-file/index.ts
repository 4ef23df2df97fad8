/** One domain whose zone is written to a file for a name server of one's own: `include` gives the records alone, for $INCLUDE. */
import * as pulumi from "@pulumi/pulumi";
import { MailStack } from "mailkeep";

const config = new pulumi.Config();

const mail = new MailStack("mail", {
  domains: ["example.org"],
  mailboxes: ["anna@example.org"],
  host: { type: "local" },
  addresses: { ipv4: ["192.0.2.10"] },
  dns: {
    type: "zone-file",
    directory: config.get("zoneDirectory") ?? "zones",
    nameServers: ["ns1.example.net", "ns2.example.net"],
  },
});

export const { hostname, recordsLeftOut } = mail;
