/**
 * Every setting of the server: its type, default, DMS variable and one sentence of documentation.
 *
 * Pure: the stack, the command line, the runtime and the reference in docs/ all read this one schema. A
 * settings file is JSON (`config/stack/settings.json`, written by the stack); where a DMS variable is named,
 * the environment supplies the value that the file leaves out. Unknown keys are errors that name the
 * nearest known one.
 */
import { z } from "zod";
import { backupSettings } from "./groups/backup.ts";
import { banSettings } from "./groups/ban.ts";
import { copiesSettings } from "./groups/copies.ts";
import { deliverySettings } from "./groups/delivery.ts";
import { diskSettings } from "./groups/disk.ts";
import { dnsSettings } from "./groups/dns.ts";
import { enginesSettings } from "./groups/engines.ts";
import { filterSettings } from "./groups/filter.ts";
import { greetingSettings } from "./groups/greeting.ts";
import { greylistSettings } from "./groups/greylist.ts";
import { listenersSettings } from "./groups/listeners.ts";
import { mailboxSettings } from "./groups/mailbox.ts";
import { messageSettings } from "./groups/message.ts";
import { oauth2Settings } from "./groups/oauth2.ts";
import { passwordsSettings } from "./groups/passwords.ts";
import { quarantineSettings } from "./groups/quarantine.ts";
import { relaySettings } from "./groups/relay.ts";
import { reportsSettings } from "./groups/reports.ts";
import { routingSettings } from "./groups/routing.ts";
import { srsSettings } from "./groups/srs.ts";
import { submissionSettings } from "./groups/submission.ts";
import { tlsSettings } from "./groups/tls.ts";
import { webSettings } from "./groups/web.ts";
import { workersSettings } from "./groups/workers.ts";

export { type Listener, listenerSchema, type Protocol, protocols } from "./groups/listeners.ts";
export { networkSchema } from "./network.ts";

export const settingsSchema = z.strictObject({
  hostname: z.string().min(1).meta({
    description: "The server's full name: banner, EHLO, Received, the certificate's first name.",
    dms: "OVERRIDE_HOSTNAME",
  }),
  postmasterAddress: z.string().optional().meta({
    description:
      "Who gets mail to postmaster and abuse where nobody is declared; default postmaster@ the host's domain.",
    dms: "POSTMASTER_ADDRESS",
  }),
  logLevel: z
    .enum(["error", "warn", "info", "debug", "trace"])
    .default("info")
    .meta({ description: "How much the server says.", dms: "LOG_LEVEL" }),
  listeners: listenersSettings,
  tls: tlsSettings,
  message: messageSettings,
  passwords: passwordsSettings,
  oauth2: oauth2Settings,
  disk: diskSettings,
  mailbox: mailboxSettings,
  submission: submissionSettings,
  dns: dnsSettings,
  delivery: deliverySettings,
  routing: routingSettings,
  relay: relaySettings,
  srs: srsSettings,
  backup: backupSettings,
  copies: copiesSettings,
  reports: reportsSettings,
  filter: filterSettings,
  engines: enginesSettings,
  greylist: greylistSettings,
  quarantine: quarantineSettings,
  workers: workersSettings,
  web: webSettings,
  greeting: greetingSettings,
  ban: banSettings,
});

/** All settings, with defaults filled in. */
export type Settings = z.infer<typeof settingsSchema>;
/** What a settings file may hold: everything optional that has a default. */
export type SettingsInput = z.input<typeof settingsSchema>;
