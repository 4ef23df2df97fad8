/**
 * A Docker engine as a stack's host: image, network, container and sidecars with @pulumi/docker, everything inside through
 * the mailkeep provider. The order is directories, keys and files, container, accounts: so the container begins with a
 * configuration that is whole, and no later change of it needs another container.
 *
 * What replaces the container is its image, its name and its ports, and nothing else: settings are files and a reload,
 * there is no environment. It has no state of its own, so replacing it loses nothing.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import type * as Docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { MailDirectories } from "../../mail-server/mail-directories.ts";
import { bytesOf } from "../../mail-server/size.ts";
import type { StackPlan } from "../../stack-plan.ts";
import type { DeclaredHost } from "../declared-host.ts";
import { Provider } from "../provider.ts";
import { capabilities, volumePaths } from "./container-layout.ts";
import type { DockerHostArgs } from "./docker-args.ts";
import { OWNER_LABEL } from "./docker-host.ts";
import { DEFAULT_ADDRESS } from "./engine-address.ts";
import { declaredSidecars, neededBytes } from "./sidecars.ts";

/** Logs of a container, on the engine's host: bounded. The server's own log is in its volume. */
const logging = { logDriver: "json-file", logOpts: { "max-size": "10m", "max-file": "3" } };
/** Docker's own patience with a container that shall end; the server needs at most nine and a half seconds. */
const STOP_SECONDS = 10;

export function declareDocker(
  name: string,
  host: DockerHostArgs,
  plan: StackPlan,
  parent: pulumi.Resource,
): DeclaredHost {
  // Loaded here: only stacks on Docker wait for it.
  const docker = createRequire(import.meta.url)("@pulumi/docker") as typeof Docker;
  const { address = DEFAULT_ADDRESS, certificates, directory } = host;
  const container = host.container ?? `mailkeep-${pulumi.getStack()}`;
  const engine = new docker.Provider(
    `${name}-docker`,
    { host: address, ...(certificates !== undefined && { certPath: resolve(certificates) }) },
    { parent },
  );
  const onEngine = { parent, provider: engine };
  const image = declareImage(docker, name, host, onEngine);
  const provider = new Provider(
    `${name}-host`,
    {
      type: "docker",
      ...{ address, image, container, directory, memoryBytes: neededBytes(host.sidecars) },
      ...(certificates !== undefined && { certificates: resolve(certificates) }),
    },
    { parent },
  );
  const directories = new MailDirectories(`${name}-directories`, { parent, provider });

  const contain: DeclaredHost["contain"] = (after) => {
    const network = new docker.Network(
      `${name}-network`,
      { name: container },
      // Under a fixed name the new one cannot stand beside the old one.
      { ...onEngine, deleteBeforeReplace: true },
    );
    const memory = host.memoryLimit === undefined ? undefined : bytesOf(host.memoryLimit);
    const server = new docker.Container(
      `${name}-container`,
      {
        name: container,
        image,
        hostname: plan.hostname,
        init: true,
        readOnly: true,
        tmpfs: { "/run": "" },
        restart: "unless-stopped",
        capabilities: { adds: capabilities.map((one) => `CAP_${one}`), drops: ["ALL"] },
        securityOpts: ["no-new-privileges"],
        volumes: volumePaths(directory),
        ports: plan.listeners.map(({ port }) => ({
          internal: port,
          external: port,
          ...(host.publishOn !== undefined && { ip: host.publishOn }),
        })),
        networksAdvanced: [{ name: network.name }],
        labels: [{ label: OWNER_LABEL, value: urnOf(`${name}-server`, "mailkeep:index:Server", parent) }],
        stopTimeout: STOP_SECONDS,
        destroyGraceSeconds: STOP_SECONDS,
        // The server is waited for by its own resource, which knows what healthy means.
        wait: false,
        ...(memory !== undefined && { memory: Math.ceil(memory / 2 ** 20) }),
        ...logging,
      },
      { ...onEngine, deleteBeforeReplace: true, dependsOn: [...after] },
    );
    return [server, ...declareSidecars(docker, name, { host, container: server }, onEngine)];
  };

  return {
    provider,
    directories,
    machinery: [],
    contain,
    restartOn: {},
    dataDirectory: pulumi.output(directory),
    secretsDirectory: resolve(`.mailkeep/${pulumi.getStack()}`),
  };
}

/** The image's id: pulled by digest, or built from the checkout's files. */
function declareImage(
  docker: typeof Docker,
  name: string,
  { image }: DockerHostArgs,
  options: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  if ("reference" in image)
    return new docker.RemoteImage(
      `${name}-image`,
      { name: image.reference, keepLocally: true },
      options,
    ).imageId.apply(bareId);
  const context = resolve(image.context ?? ".");
  if (!existsSync(join(context, "dist-image")))
    throw new pulumi.RunError(
      `host.image: ${context} has no dist-image; run 'npm run build:image' there, so that the image can be built on ${image.base}`,
    );
  return new docker.RemoteImage(
    `${name}-image`,
    {
      name: `mailkeep:${contextTag(context)}`,
      keepLocally: true,
      build: {
        context,
        dockerfile: "mailserver-runtime/Dockerfile",
        buildArgs: { BASE: image.base },
      },
    },
    options,
  ).imageId.apply(bareId);
}

/** Names what is in the context, so that other files are another image. */
function contextTag(context: string): string {
  const names = ["dist-image/usr/lib/mailkeep/fingerprint", "mailserver-runtime/Dockerfile"];
  const hash = createHash("sha256");
  for (const name of names)
    if (existsSync(join(context, name))) hash.update(readFileSync(join(context, name)));
  return hash.digest("hex").slice(0, 12);
}

/** The URN a sibling will have. As text alone: whoever depends on a component waits for everything in it, itself too. */
function urnOf(name: string, type: string, parent: pulumi.Resource): pulumi.Output<string> {
  const parentUrn = new Promise<string>((known) => parent.urn.apply(known));
  return pulumi.createUrn(name, type, pulumi.output(parentUrn));
}

/** The plugin writes the image's name behind its id. */
const bareId = (id: string): string => /^sha256:[0-9a-f]{64}/.exec(id)?.[0] ?? id;

function declareSidecars(
  docker: typeof Docker,
  name: string,
  { host, container }: { host: DockerHostArgs; container: Docker.Container },
  options: pulumi.CustomResourceOptions,
): pulumi.Resource[] {
  return declaredSidecars(host.sidecars).map((sidecar) => {
    const volumes = Object.entries(sidecar.keeps).map(([kept, containerPath]) => {
      // A volume begins with what the image has there, and with its owner.
      const volume = new docker.Volume(
        `${name}-${kept}-volume`,
        { name: pulumi.interpolate`${container.name}-${kept}` },
        { ...options, retainOnDelete: true },
      );
      return { volumeName: volume.name, containerPath };
    });
    const image = new docker.RemoteImage(
      `${name}-${sidecar.name}-image`,
      { name: sidecar.image, keepLocally: true },
      options,
    );
    return new docker.Container(
      `${name}-${sidecar.name}`,
      {
        name: pulumi.interpolate`${container.name}-${sidecar.name}`,
        image: image.imageId.apply(bareId),
        // On the loopback of the server, and on no other network.
        networkMode: pulumi.interpolate`container:${container.id}`,
        init: true,
        restart: "unless-stopped",
        capabilities: { adds: sidecar.capabilities.map((one) => `CAP_${one}`), drops: ["ALL"] },
        securityOpts: ["no-new-privileges"],
        tmpfs: Object.fromEntries(sidecar.scratch.map((path) => [path, ""])),
        volumes,
        memory: Math.ceil(sidecar.memoryBytes / 2 ** 20),
        mustRun: true,
        wait: false,
        ...logging,
      },
      { ...options, deleteBeforeReplace: true, dependsOn: [container] },
    );
  });
}
