/** What each port serves now, by a real handshake for each name, and how each declared certificate stands. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfPresent } from "../config/durable-file.ts";
import { readStackObject } from "../config/stack/files.ts";
import type { Directories } from "../settings/directories.ts";
import type { Protocol } from "../settings/schema.ts";
import { acmeStates } from "../tls/acme/renewals.ts";
import { type Served, served, speaksTls } from "../tls/served.ts";
import { acmeProgress } from "./acme-progress.ts";
import { OperationError, type Performers } from "./context.ts";
import type { OperationAnswer } from "./contract.ts";

type Answer = OperationAnswer<"tls.status">;
type Port = Answer["ports"][number];

/** Names asked for at one port at most. */
const MOST_NAMES = 100;

export const tlsOperations: Performers<"tls.status"> = {
  "tls.status": {
    effect: "reads",
    async perform({ names: asked }, { directories, live }) {
      if (live === undefined)
        throw new OperationError(
          "not-running",
          "no server runs here, so no port serves anything: start it first",
        );
      const { hostname, listeners } = live.configuration.current().settings;
      const certificates = await declaredCertificates(directories);
      const declared = certificates.flatMap(({ names }) => names.filter((name) => !name.startsWith("*.")));
      const names = [...new Set(asked ?? [hostname, ...declared])].slice(0, MOST_NAMES);
      const authority = await readIfPresent(join(directories.config, "ca.pem"));
      const ports: Port[] = [];
      for (const { protocol, address, port } of live.listeners()) {
        if (!speaksTls(protocol as Protocol)) continue;
        const of = listeners.find((one) => one.protocol === protocol && [0, port].includes(one.port));
        for (const name of names) {
          const at = { protocol, port, name };
          if ((of?.proxyProtocol.length ?? 0) > 0)
            ports.push({ ...at, problem: "is for its proxy alone, and was not asked" });
          else
            ports.push(
              ...(await look(protocol as Protocol, { host: loopback(address), port }, name, authority)).map(
                (seen) => ({ ...at, ...seen }),
              ),
            );
        }
      }
      return { ports, certificates, lines: linesOf({ ports, certificates }) };
    },
  },
};

type Seen = Omit<Port, "protocol" | "port" | "name">;

/** What clients of this day are shown, and those that know RSA alone where that is another certificate. */
async function look(
  protocol: Protocol,
  at: { readonly host: string; readonly port: number },
  name: string,
  authority: string | undefined,
): Promise<Seen[]> {
  const authorities = authority === undefined ? [] : [authority];
  try {
    const modern = await served(protocol, at, name, authorities);
    if (!modern.key.startsWith("ec ")) return [seenOf(modern)];
    // Without a second certificate such a client has no handshake: nothing to tell.
    const old = await served(protocol, at, name, authorities, "rsa").catch(() => undefined);
    return old === undefined ? [seenOf(modern)] : [seenOf(modern), seenOf(old)];
  } catch (error) {
    return [{ problem: error instanceof Error ? error.message : String(error) }];
  }
}

function seenOf({ protocol: version, problem, ...seen }: Served): Seen {
  return { ...seen, version, ...(problem !== undefined && { problem }) };
}

/** Where a port that is bound to every address is reached. */
function loopback(address: string): string {
  return address === "::" ? "::1" : address === "0.0.0.0" ? "127.0.0.1" : address;
}

async function declaredCertificates(directories: Directories): Promise<Answer["certificates"]> {
  const folder = join(directories.config, "stack", "certificates");
  const files = await readdir(folder).catch(() => []);
  const found: Answer["certificates"] = [];
  for (const file of files.filter((name) => /^[^.].*\.json$/.test(name)).sort()) {
    const firstName = decodeURIComponent(file.slice(0, -5));
    const object = await readStackObject(directories.config, "certificates", firstName);
    if (object === undefined) continue;
    found.push({
      names: object.names,
      issuer: object.issuer.type === "acme" ? object.issuer.directory : "local-ca",
      ...acmeProgress(await acmeStates(directories, firstName)),
    });
  }
  return found;
}

function linesOf({ ports, certificates }: Omit<Answer, "lines">): string[] {
  return [
    ...ports.map(({ protocol, port, name, notAfter, key, issuer, version, problem }) =>
      [
        `${protocol} ${port} ${name}:`,
        notAfter === undefined
          ? "no certificate"
          : `until ${notAfter.slice(0, 10)}, ${key}, ${version}, by ${issuer}`,
        problem === undefined ? "(good)" : `(${problem})`,
      ].join(" "),
    ),
    ...certificates.map(({ names, issuer, issued, nextOrder, lastError }) =>
      [
        `declared ${names.join(", ")}: by ${issuer}`,
        ...(issued === undefined ? [] : [issued ? "issued" : "not issued yet"]),
        ...(nextOrder === undefined ? [] : [`next order ${nextOrder}`]),
        ...(lastError === undefined ? [] : [`last error: ${lastError}`]),
      ].join("; "),
    ),
  ];
}
