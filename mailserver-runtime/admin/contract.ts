/**
 * What one may ask of a mail host, typed for both sides. Pure (zod only): the provider and the command line
 * build requests, the runtime answers them.
 *
 * A request is one JSON line, its answer another. It reaches the running server by its local socket, or,
 * where no server runs, `mailserver-runtime/cli/main.ts admin` performs the same operation on the same
 * files: the text files are the truth and a running server only reads them again. Every operation is
 * idempotent. `owner` is the URN of the declaring resource: a put takes an existing object over, a remove
 * does nothing where the owner written on the object is another (Pulumi creates before it deletes when a
 * resource moves). Secrets travel only in requests; no answer carries a password, hash or private key.
 */
import { z } from "zod";
import { aliasOperations } from "./contract/alias.ts";
import { banOperations } from "./contract/ban.ts";
import { certificateOperations } from "./contract/certificate.ts";
import { dkimOperations } from "./contract/dkim.ts";
import { dnsCheckOperations } from "./contract/dns-check.ts";
import { domainOperations } from "./contract/domain.ts";
import { dynamicZoneOperations } from "./contract/dynamic-zone.ts";
import { filterOperations } from "./contract/filter.ts";
import { mailboxOperations } from "./contract/mailbox.ts";
import { quarantineOperations } from "./contract/quarantine.ts";
import { queueOperations } from "./contract/queue.ts";
import { relayOperations } from "./contract/relay.ts";
import { reportsOperations } from "./contract/reports.ts";
import { serverOperations } from "./contract/server.ts";
import { settingsOperations } from "./contract/settings.ts";
import { wayOperations } from "./contract/way.ts";

/** The operations: request and answer of each, in one table. */
export const operations = {
  ...serverOperations,
  ...settingsOperations,
  ...domainOperations,
  ...mailboxOperations,
  ...aliasOperations,
  ...relayOperations,
  ...dkimOperations,
  ...certificateOperations,
  ...dynamicZoneOperations,
  ...dnsCheckOperations,
  ...queueOperations,
  ...quarantineOperations,
  ...filterOperations,
  ...wayOperations,
  ...reportsOperations,
  ...banOperations,
} as const;

export type OperationName = keyof typeof operations;
export type OperationRequest<N extends OperationName> = z.input<(typeof operations)[N]["request"]>;
export type OperationAnswer<N extends OperationName> = z.output<(typeof operations)[N]["answer"]>;

/** Why an operation failed; `message` names the object, the place and the way out. */
export const failureCodes = [
  "invalid",
  "conflict",
  "not-found",
  "not-running",
  "no-space",
  "permission",
  "internal",
] as const;
export type FailureCode = (typeof failureCodes)[number];

/** A request as it travels: one line of JSON. */
export const requestLine = z.strictObject({ operation: z.string(), request: z.unknown() });
/** An answer as it travels: one line of JSON. */
export const answerLine = z.union([
  z.strictObject({ ok: z.literal(true), answer: z.unknown() }),
  z.strictObject({ ok: z.literal(false), code: z.enum(failureCodes), message: z.string() }),
]);
