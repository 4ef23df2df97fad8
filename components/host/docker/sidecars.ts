/**
 * What each sidecar is: its image, what it keeps, how much memory it needs, and what the server is told of it. One row each.
 *
 * All of them live in the network of the server's container, so that they are on its loopback and nobody else reaches them.
 */
import type { SettingsInput } from "../../../mailserver-runtime/settings/schema.ts";
import type { DockerSidecars } from "./docker-args.ts";

type Engines = NonNullable<NonNullable<SettingsInput["engines"]>["list"]>;

export interface Sidecar {
  readonly image: string;
  readonly memoryBytes: number;
  /** Paths in the container that outlive it and the stack, by the end of their volume's name. */
  readonly keeps: Readonly<Record<string, string>>;
  /** Paths that may be written and are forgotten. */
  readonly scratch: readonly string[];
  readonly capabilities: readonly string[];
  readonly settings: { readonly engines?: Engines; readonly dns?: SettingsInput["dns"] };
}

const MIB = 2 ** 20;

export const sidecars: Readonly<Record<keyof DockerSidecars, Sidecar>> = {
  rspamd: {
    image: "rspamd/rspamd:3.13",
    memoryBytes: 512 * MIB,
    keeps: { rspamd: "/var/lib/rspamd" },
    scratch: ["/run/rspamd", "/tmp"],
    capabilities: [],
    settings: { engines: [{ type: "rspamd", address: "127.0.0.1:11333", controller: "127.0.0.1:11334" }] },
  },
  clamav: {
    image: "clamav/clamav:1.4",
    // The signatures are loaded anew while the old ones still serve.
    memoryBytes: 3072 * MIB,
    keeps: { clamav: "/var/lib/clamav" },
    scratch: ["/tmp", "/run"],
    capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID"],
    settings: { engines: [{ type: "clamd", address: "127.0.0.1:3310" }] },
  },
  unbound: {
    image: "klutchell/unbound:1.23.1",
    memoryBytes: 128 * MIB,
    keeps: {},
    scratch: ["/tmp"],
    capabilities: ["NET_BIND_SERVICE"],
    settings: { dns: { servers: ["127.0.0.1:53"], authenticData: "loopback" } },
  },
};

/** What the server itself needs at least. */
const SERVER_BYTES = 256 * MIB;

export interface DeclaredSidecar extends Sidecar {
  readonly name: keyof DockerSidecars;
}

export function declaredSidecars(declared: DockerSidecars = {}): readonly DeclaredSidecar[] {
  return (Object.keys(sidecars) as (keyof DockerSidecars)[]).flatMap((name) => {
    const choice = declared[name];
    if (choice === undefined || choice === false) return [];
    return [{ ...sidecars[name], ...(choice !== true && { image: choice.image }), name }];
  });
}

/** Memory that the host must have. */
export const neededBytes = (declared: DockerSidecars | undefined): number =>
  declaredSidecars(declared).reduce((sum, { memoryBytes }) => sum + memoryBytes, SERVER_BYTES);

/** What the server's settings say of the sidecars, beside what the stack declares itself. */
export function sidecarSettings(declared: DockerSidecars | undefined): {
  readonly engines: Engines;
  readonly dns: SettingsInput["dns"] | undefined;
} {
  const all = declaredSidecars(declared);
  return {
    engines: all.flatMap(({ settings }) => settings.engines ?? []),
    dns: all.find(({ settings }) => settings.dns !== undefined)?.settings.dns,
  };
}
