/** A stack's host on a machine by ssh, as resources: its host key, packages, the server's code, its unit, the firewall. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { MailDirectories } from "../../mail-server/mail-directories.ts";
import { bytesOf } from "../../mail-server/size.ts";
import type { SshHostArgs } from "../../mail-stack-args.ts";
import type { StackPlan } from "../../stack-plan.ts";
import type { DeclaredHost } from "../declared-host.ts";
import type { OpenPort } from "../firewall-rules.ts";
import { HostFirewall, HostKey, HostPackages, HostRuntime, HostUnit } from "../machine-resources.ts";
import { Provider, type ProviderArgs } from "../provider.ts";
import { SERVER_UNIT, serverUnitText } from "../unit-text.ts";
import { FIRST_USE } from "./host-key.ts";

/** Where the server's data lies on a machine when nothing else is declared. */
const MACHINE_DIRECTORY = "/var/lib/mailkeep";
/** Uploading Node and the server's code over a slow line takes its time; so does a mirror that is far away. */
const SLOW = { create: "15m", update: "15m" } as const;

/**
 * A machine by ssh. The server's code comes first: it performs what is asked of the files. The firewall comes before the
 * server, so that nothing listens unprotected for a moment.
 */
export function declareSsh(
  name: string,
  host: SshHostArgs,
  plan: StackPlan,
  parent: pulumi.Resource,
): DeclaredHost {
  const { runtime, firewall = { type: "nftables" }, directory = MACHINE_DIRECTORY, ...connection } = host;
  const reach = { ...connection, directory };
  const hostKey = host.hostKey === FIRST_USE ? keyOfFirstUse(name, reach, parent) : host.hostKey;
  const provider = new Provider(`${name}-host`, { ...reach, hostKey }, { parent });
  const own = { parent, provider };
  const code = new HostRuntime(
    `${name}-runtime`,
    { ...(runtime?.keepVersions !== undefined && { keep: runtime.keepVersions }) },
    { ...own, customTimeouts: SLOW },
  );
  const directories = new MailDirectories(`${name}-directories`, { ...own, dependsOn: [code] });
  const memoryBytes = runtime?.memoryLimit === undefined ? undefined : bytesOf(runtime.memoryLimit);
  const text = serverUnitText({ directory, ...(memoryBytes !== undefined && { memoryBytes }) });
  const unit = new HostUnit(
    `${name}-unit`,
    { name: SERVER_UNIT, text },
    { ...own, dependsOn: [directories] },
  );
  return {
    provider,
    directories,
    machinery: [
      unit,
      ...(firewall.type === "nftables" ? declareFirewall(name, firewall.alsoOpen, plan, own) : []),
    ],
    restartOn: { unit: createHash("sha256").update(text).digest("hex") },
    address: pulumi.output(host.address),
    dataDirectory: pulumi.output(directory),
    secretsDirectory: undefined,
  };
}

function declareFirewall(
  name: string,
  alsoOpen: readonly number[] = [],
  { listeners }: StackPlan,
  own: pulumi.CustomResourceOptions,
): pulumi.Resource[] {
  const packages = new HostPackages(
    `${name}-packages`,
    { packages: ["nftables"] },
    { ...own, customTimeouts: SLOW },
  );
  const ports = [...listeners.map(({ port }) => port), ...alsoOpen].sort((left, right) => left - right);
  const open: OpenPort[] = [...new Set(ports)].map((port) => ({ protocol: "tcp", port }));
  return [packages, new HostFirewall(`${name}-firewall`, { open }, { ...own, dependsOn: [packages] })];
}

/** The key the machine shows when it is first asked, by a provider that serves nothing else. */
function keyOfFirstUse(name: string, reach: ProviderArgs, parent: pulumi.Resource): pulumi.Output<string> {
  const provider = new Provider(`${name}-first-use`, reach, { parent });
  return new HostKey(`${name}-host-key`, { parent, provider }).fingerprint;
}
