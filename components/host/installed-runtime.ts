/**
 * The server's code on a machine: `/opt/mailkeep/<version>` holds one version whole, its Node too; `current` is a link to
 * the one that runs. A version appears there complete or not at all, whatever breaks on the way, and is never changed.
 *
 *     /opt/mailkeep/0.1.0+c0ffee123456/   node, mailserver-runtime/, node_modules/
 *     /opt/mailkeep/current               -> 0.1.0+c0ffee123456
 *     /opt/mailkeep/node-24.21.0          the binary that versions share by hard links
 */
import { createReadStream } from "node:fs";
import { createGzip } from "node:zlib";
import type { Limit } from "./connection.ts";
import { HostError } from "./host-error.ts";
import { done, type Machine } from "./machine.ts";
import { type NodeBinary, nodeBinaryFor } from "./node-binary.ts";
import { runtimeArchive, runtimeFiles } from "./runtime-files.ts";

/** Where the versions lie. */
export const RUNTIME_ROOT = "/opt/mailkeep";
export const CURRENT = `${RUNTIME_ROOT}/current`;

/** What begins each script here: `$root`, and what an interrupted upload left is gone. */
const begin = `set -eu
root=${RUNTIME_ROOT}
mkdir -p "$root"
rm -rf "$root"/.incoming.*
incoming=$(mktemp -d "$root/.incoming.XXXXXX")
trap 'rm -rf "$incoming"' EXIT
`;

/** The versions there are, oldest first, and the one that `current` names. */
export interface InstalledVersions {
  readonly versions: readonly string[];
  readonly current: string | undefined;
}

export async function installedVersions(machine: Machine, limit: Limit): Promise<InstalledVersions> {
  const text = `cd ${RUNTIME_ROOT} 2>/dev/null || exit 0
readlink current || echo
for version in $(ls -1tr); do if [ -d "$version/mailserver-runtime" ] && [ ! -L "$version" ]; then echo "$version"; fi; done`;
  const lines = (await done(machine, { what: `list ${RUNTIME_ROOT}`, text }, limit)).split("\n");
  const [current = "", ...versions] = lines.map((line) => line.trim());
  return { versions: versions.filter((version) => version !== ""), current: current || undefined };
}

/** Makes a version be there; what is there already is left alone. `current` is set where it names nothing yet. */
export async function installRuntime(machine: Machine, version: string, limit: Limit): Promise<void> {
  const { versions } = await installedVersions(machine, limit);
  if (!versions.includes(version)) {
    const files = runtimeFiles();
    if (files.version !== version)
      throw new HostError(
        "not-found",
        `${machine.name} does not have version ${version} of the server, and this package carries ${files.version}: ` +
          "leave the version out, or deploy with the package that carries it.",
      );
    const { processor } = await machine.facts(limit);
    const node = await nodeBinaryFor(processor);
    await installNode(machine, node, limit);
    await done(machine, { ...unpack(version, node), input: runtimeArchive(files) }, limit);
  }
  await done(
    machine,
    {
      what: "name the current version",
      text: `set -eu; cd ${RUNTIME_ROOT}; if [ ! -e current ]; then ln -sfn "$1" current; fi`,
      args: [version],
    },
    limit,
  );
}

async function installNode(machine: Machine, { file, version }: NodeBinary, limit: Limit): Promise<void> {
  const path = `${RUNTIME_ROOT}/node-${version}`;
  const present = await machine.run({ what: "look for Node", text: '[ -x "$1" ]', args: [path] }, limit);
  if (present.code === 0) return;
  const text = `${begin}gzip -dc >"$incoming/node"
chmod 755 "$incoming/node"
sync "$incoming/node"
found=$("$incoming/node" --version)
if [ "$found" != "v$2" ]; then echo "it says it is $found" >&2; exit 1; fi
mv -f "$incoming/node" "$1"`;
  const input = createReadStream(file).pipe(createGzip({ level: 1 }));
  await done(machine, { what: `install Node ${version}`, text, args: [path, version], input }, limit);
}

function unpack(version: string, node: NodeBinary) {
  const text = `${begin}tar -xz -f - -C "$incoming" --no-same-owner --no-same-permissions
ln "$root/node-$2" "$incoming/node"
chmod -R u=rwX,go=rX "$incoming"
sync -f "$incoming"
mv -T "$incoming" "$root/$1"
sync "$root"`;
  return { what: `install version ${version}`, text, args: [version, node.version] };
}

/** Makes `current` name a version. What runs goes on until it is started anew. */
export async function switchRuntime(machine: Machine, version: string, limit: Limit): Promise<void> {
  const text = `set -eu
cd ${RUNTIME_ROOT}
[ -d "$1" ]
ln -sfn "$1" .current.new
mv -Tf .current.new current
sync .`;
  await done(machine, { what: `switch to version ${version}`, text, args: [version] }, limit);
}

/** Removes all versions but the current one, the named one and so many of the latest before them. */
export async function pruneRuntimes(
  machine: Machine,
  { version, keep }: { readonly version: string; readonly keep: number },
  limit: Limit,
): Promise<void> {
  const { versions, current } = await installedVersions(machine, limit);
  const others = versions.filter((other) => other !== current && other !== version);
  const old = others.slice(0, Math.max(0, others.length - keep));
  const text = `set -eu
cd ${RUNTIME_ROOT}
for version in "$@"; do rm -rf -- "$version"; done
for node in node-*; do if [ "$(stat -c %h "$node" 2>/dev/null)" = 1 ]; then rm -f -- "$node"; fi; done`;
  await done(machine, { what: "remove old versions", text, args: old }, limit);
}

export async function removeRuntimes(machine: Machine, limit: Limit): Promise<void> {
  await done(machine, { what: `remove ${RUNTIME_ROOT}`, text: `rm -rf ${RUNTIME_ROOT}` }, limit);
}
