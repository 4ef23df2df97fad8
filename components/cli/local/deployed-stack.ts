/**
 * A stack that is up, as its outputs tell: where it listens, who may log in, where its data lies. Commands that
 * talk to the deployed host (probe, stop, logs, mailbox) begin here; none of them runs the program.
 */
import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { Workspace } from "../../engine/config/workspace.ts";
import { EngineError } from "../../engine/errors.ts";
import { resources, stackOutputs } from "../../engine/operations.ts";
import type { ResourceState } from "../../engine/resource-state.ts";
import { parseProviderReference } from "../../engine/urn.ts";
import { plainMap } from "../../engine/wire.ts";
import { connect, type Host, type HostConnection, hostConnectionSchema } from "../../host/connection.ts";

const deployedSchema = z.object({
  hostname: z.string(),
  endpoints: z.array(
    z.object({
      service: z.string(),
      address: z.string(),
      port: z.number(),
      security: z.enum(["tls", "starttls", "none"]),
    }),
  ),
  logins: z.array(z.string()),
  secretsFile: z.string().optional(),
  caCertificateFile: z.string().optional(),
  dataDirectory: z.string(),
  /** Absent in stacks that were brought up by an earlier version. */
  dns: z
    .object({
      records: z.array(z.string()),
      reverse: z.array(z.string()),
      toEnter: z.string().optional(),
    })
    .default({ records: [], reverse: [] }),
});
/** What the program exports. */
export type DeployedOutputs = z.infer<typeof deployedSchema>;

export interface DeployedStack extends DeployedOutputs {
  readonly name: string;
  readonly workspace: Workspace;
  /** The host; nothing is dialled before its first operation. */
  readonly host: Host;
  /** The certificate of the authority that its certificate is from, where that is one of its own. */
  readonly caCertificatePem: string | undefined;
}

/** @throws EngineError "no-stack" where nothing has been deployed yet */
export async function deployedStack(name: string): Promise<DeployedStack> {
  const workspace = new Workspace({ stack: name });
  const states = await resources({ files: workspace.files, secrets: (salt) => workspace.secrets(salt) });
  const parsed = deployedSchema.safeParse(plainMap(stackOutputs(states)));
  if (!parsed.success)
    throw new EngineError(
      "no-stack",
      `stack '${name}' is not up: it has no endpoints yet. 'mailkeep up --stack ${name}' brings it up.`,
    );
  const { dataDirectory } = parsed.data;
  const host = connect(connectionIn(states) ?? { type: "local", directory: dataDirectory });
  return { ...parsed.data, name, workspace, host, caCertificatePem: authorityIn(states) };
}

/** How the deployed server's host is reached: as the provider of its resource was told. */
function connectionIn(states: readonly ResourceState[]): HostConnection | undefined {
  const server = states.find(({ type, delete: gone }) => type === "mailkeep:index:Server" && !gone);
  if (!server?.provider) return undefined;
  const { urn } = parseProviderReference(server.provider);
  const {
    version: _,
    __internal: __,
    ...inputs
  } = plainMap(states.find((state) => state.urn === urn)?.inputs ?? {});
  return hostConnectionSchema.safeParse(inputs).data;
}

function authorityIn(states: readonly ResourceState[]): string | undefined {
  const pem = states.find(({ type }) => type === "mailkeep:index:Certificate")?.outputs.caCertificatePem;
  return typeof pem === "string" && pem !== "" ? pem : undefined;
}

/** Where a stack's data lies, which outlives it; undefined where nothing is deployed. Never throws. */
export async function keptData(name: string): Promise<string | undefined> {
  return deployedStack(name).then(
    ({ dataDirectory }) => dataDirectory,
    () => undefined,
  );
}

/** The passwords this machine knows: declared ones of the configuration, and those made up for the local host. */
export async function knownPasswords(stack: DeployedStack): Promise<Readonly<Record<string, string>>> {
  const made: Record<string, string> = {};
  if (stack.secretsFile && existsSync(stack.secretsFile)) {
    const file = JSON.parse(readFileSync(stack.secretsFile, "utf8")) as {
      passwords?: Record<string, string>;
    };
    Object.assign(made, file.passwords);
  }
  const { config } = await stack.workspace.config();
  const declared = JSON.parse(config["mailkeep:passwords"] ?? "{}") as Record<string, string>;
  return { ...made, ...declared };
}
