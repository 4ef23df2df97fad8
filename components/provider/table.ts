/** Every type of resource the provider serves. The schema, the dispatch and the tests are made from this table. */
import type { AnyResourceType } from "./resource-type.ts";
import { adoptedRecord } from "./resources/adopted-record.ts";
import { alias } from "./resources/alias.ts";
import { certificate } from "./resources/certificate.ts";
import { dkimKey } from "./resources/dkim-key.ts";
import { dkimKeys } from "./resources/dkim-keys.ts";
import { dnsCheck } from "./resources/dns-check.ts";
import { domain } from "./resources/domain.ts";
import { dynamicZone } from "./resources/dynamic-zone.ts";
import { hostFirewall } from "./resources/host-firewall.ts";
import { hostKey } from "./resources/host-key.ts";
import { hostPackages } from "./resources/host-packages.ts";
import { hostRuntime } from "./resources/host-runtime.ts";
import { hostUnit } from "./resources/host-unit.ts";
import { issuedCertificate } from "./resources/issued-certificate.ts";
import { mailDirectories } from "./resources/mail-directories.ts";
import { mailbox } from "./resources/mailbox.ts";
import { relay } from "./resources/relay.ts";
import { server } from "./resources/server.ts";
import { settings } from "./resources/settings.ts";
import { zone } from "./resources/zone.ts";
import { zoneFile } from "./resources/zone-file.ts";

export const resourceTypes: readonly AnyResourceType[] = [
  hostKey,
  hostPackages,
  hostRuntime,
  hostUnit,
  hostFirewall,
  mailDirectories,
  settings,
  dkimKey,
  dkimKeys,
  certificate,
  issuedCertificate,
  zone,
  server,
  domain,
  mailbox,
  alias,
  relay,
  dynamicZone,
  zoneFile,
  adoptedRecord,
  dnsCheck,
];

const byToken = new Map(resourceTypes.map((type) => [type.token, type]));

/** @throws Error that names the types there are */
export function resourceTypeOf(token: string): AnyResourceType {
  const type = byToken.get(token);
  if (!type)
    throw new Error(
      `The mailkeep provider has no resource type ${token}; it has ${[...byToken.keys()].join(", ")}.`,
    );
  return type;
}
