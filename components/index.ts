/**
 * mailkeep as a library: `MailStack` for a whole mail host, and its parts for stacks that are put together by hand.
 *
 * ```ts
 * import { MailStack } from "mailkeep";
 * ```
 */
export { Alias, type AliasArgs } from "./accounts/alias.ts";
export { type DkimAlgorithm, DkimKey, type DkimKeyArgs } from "./accounts/dkim-key.ts";
export { DkimKeys, type DkimKeysArgs, type PublishedDkimKey } from "./accounts/dkim-keys.ts";
export { Domain, type DomainArgs } from "./accounts/domain.ts";
export { Mailbox, type MailboxArgs } from "./accounts/mailbox.ts";
export { Relay, type RelayArgs } from "./accounts/relay.ts";
export {
  Certificate,
  type CertificateArgs as CertificateResourceArgs,
} from "./certificate/certificate.ts";
export type * from "./certificate/certificate-args.ts";
export { IssuedCertificate, type IssuedCertificateArgs } from "./certificate/issued-certificate.ts";
export { AdoptedRecord, type AdoptedRecordArgs } from "./dns/adopted-record.ts";
export { DnsCheck, type DnsCheckArgs } from "./dns/dns-check.ts";
export { DynamicZone, type DynamicZoneArgs } from "./dns/dynamic-zone.ts";
export { ZoneFile, type ZoneFileArgs } from "./dns/zone-file.ts";
export {
  HostFirewall,
  type HostFirewallArgs,
  HostKey,
  HostPackages,
  type HostPackagesArgs,
  HostRuntime,
  type HostRuntimeArgs,
  HostUnit,
  type HostUnitArgs,
} from "./host/machine-resources.ts";
export { Provider, type ProviderArgs } from "./host/provider.ts";
export { readMailConfig } from "./mail-config.ts";
export { MailDirectories } from "./mail-server/mail-directories.ts";
export { Server, type ServerArgs } from "./mail-server/server.ts";
export { Settings, type SettingsArgs } from "./mail-server/settings.ts";
export { Zone, type ZoneArgs } from "./mail-server/zone.ts";
export { MailStack } from "./mail-stack.ts";
export type * from "./mail-stack-args.ts";
export type { Endpoint } from "./stack-plan.ts";
