/**
 * A master file (RFC 1035 §5) on the machine that runs the deployment, for a name server of one's own. The serial of a whole
 * zone is the date and a count, and grows whenever the rest of the text changes (RFC 1912 §2.2, RFC 1982), so secondaries
 * fetch it. A file that is no zone file of ours is never overwritten.
 */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { absolute, hostName as canonicalHostName } from "../../../mailserver-runtime/dns/records.ts";
import { HostError } from "../../host/host-error.ts";
import { domain, hostName } from "../fields.ts";
import { recordSetsSchema } from "../record-set-fields.ts";
import { resourceType } from "../resource-type.ts";

const HEADER = "; Written by mailkeep from what the stack declares: changes by hand are lost.";
/** Refresh, retry, expire, and how long a negative answer may be kept (RFC 2308), in seconds. */
const SOA_TIMES = "7200 900 1209600 300";

const inputs = z.object({
  zone: domain.meta({ description: "The zone's name." }),
  directory: z.string().min(1).meta({ description: "Where <zone>.zone is written." }),
  form: z
    .enum(["zone", "include"])
    .default("zone")
    .meta({ description: "A whole zone with SOA and NS, or the records alone, for $INCLUDE." }),
  nameServers: z
    .array(hostName)
    .default([])
    .meta({ description: "The zone's name servers, the primary first." }),
  ttl: z.int().min(1).default(3600).meta({ description: "Seconds, for SOA and NS." }),
  recordSets: recordSetsSchema,
});
type Declared = z.output<typeof inputs>;

export const zoneFile = resourceType({
  token: "mailkeep:index:ZoneFile",
  description: "A master file (RFC 1035 §5) for a name server of one's own.",
  inputs,
  facts: z.object({ path: z.string().meta({ description: "Where the file lies." }) }),
  identity: ["directory", "zone"],
  secrets: [],
  check: ({ form, nameServers }) =>
    form === "zone" && nameServers.length === 0
      ? [
          {
            property: "nameServers",
            reason:
              'is empty, and a whole zone names its servers: ["ns1.example.org"]; or take form "include" for the records alone',
          },
        ]
      : [],
  id: ({ directory, zone }) => join(directory, zone),
  async put({ owner }, declared) {
    const path = pathOf(declared);
    const before = await textAt(path);
    if (before !== undefined && !before.startsWith(HEADER))
      throw new HostError(
        "conflict",
        `${path} is there already and was not written by mailkeep: move it away, or name another directory.`,
      );
    const serial = before === undefined ? undefined : serialOf(before);
    const same = before !== undefined && before === textOf(declared, owner, serial ?? 0);
    if (!same) await write(path, textOf(declared, owner, nextSerial(serial)));
    return { path };
  },
  async read(_, __, declared) {
    if (declared === undefined) return undefined;
    const path = pathOf(declared);
    const text = await textAt(path);
    if (text === undefined) return undefined;
    const owner = /^; Owner: (\S+)$/m.exec(text)?.[1];
    const same = text === textOf(declared, owner ?? "", serialOf(text) ?? 0);
    // Edited by hand: no record counts as written, so the next `up` writes the file.
    return { inputs: same ? declared : { ...declared, recordSets: {} }, facts: { path }, owner };
  },
  async remove({ owner }, declared) {
    const path = pathOf(declared);
    const text = await textAt(path);
    if (text?.startsWith(HEADER) && text.includes(`\n; Owner: ${owner}\n`)) await rm(path);
  },
});

const pathOf = ({ directory, zone }: Declared) => resolve(directory, `${zone}.zone`);

function textOf(
  { zone, form, nameServers, ttl, recordSets }: Declared,
  owner: string,
  serial: number,
): string {
  const primary = absolute(canonicalHostName(nameServers[0] ?? "localhost"));
  const authority = [
    `$ORIGIN ${absolute(zone)}`,
    `$TTL ${ttl}`,
    `@ ${ttl} IN SOA ${primary} ${absolute(`hostmaster.${zone}`)} ${serial} ${SOA_TIMES}`,
    ...nameServers.map((name) => `@ ${ttl} IN NS ${absolute(name)}`),
  ];
  const records = Object.entries(recordSets).flatMap(([set, lines]) => {
    const [name = "", type] = set.split(" ");
    return lines.map((line) => {
      const [seconds, ...data] = line.split(" ");
      return `${absolute(name)} ${seconds} IN ${type} ${data.join(" ")}`;
    });
  });
  return [HEADER, `; Owner: ${owner}`, ...(form === "zone" ? authority : []), ...records, ""].join("\n");
}

function serialOf(text: string): number | undefined {
  const digits = / IN SOA \S+ \S+ (\d{1,10}) /.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** YYYYMMDDnn of today in UTC, or one more than the last. */
function nextSerial(last = 0): number {
  const today = Number(new Date().toISOString().slice(0, 10).replaceAll("-", "")) * 100;
  return Math.max(today, last + 1);
}

async function textAt(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

/** Whole or not at all: a name server may read it at any moment. */
async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.new`;
  const file = await open(temporary, "w", 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
