/** What a person sees at the end of `start`: where to connect, whom to log in as, what to try next. Pure. */
import { relative } from "node:path";
import type { DeployedStack } from "./deployed-stack.ts";

/** What each service is for. */
const purposes: Readonly<Record<string, string>> = {
  smtp: "mail from other servers (MX)",
  submission: "sending",
  submissions: "sending",
  imap: "reading",
  imaps: "reading",
  http: "proofs for certificates",
  https: "settings for mail programs",
};
const securities = { tls: "TLS", starttls: "STARTTLS", none: "no TLS" } as const;
/** More logins than this are counted, not listed. */
const MAX_LOGINS = 10;

/** The table of endpoints and logins and three things to try; ends with a line end. */
export function welcome(
  stack: Pick<
    DeployedStack,
    "name" | "hostname" | "endpoints" | "logins" | "secretsFile" | "caCertificateFile"
  >,
  passwords: Readonly<Record<string, string>>,
  directory = process.cwd(),
): string {
  const here = (path: string) => relative(directory, path) || ".";
  const rows = stack.endpoints.map(({ service, address, port, security }) => [
    service,
    `${address}:${port}`,
    securities[security],
    purposes[service] ?? "",
  ]);
  const logins = stack.logins
    .slice(0, MAX_LOGINS)
    .map((address) => [address, isMadeUp(stack, passwords, address) ? "" : "password as declared"]);
  const more = stack.logins.length - logins.length;
  const [first] = stack.logins;
  const imaps = stack.endpoints.find(({ service }) => service === "imaps");
  const trust = stack.caCertificateFile ? `--cacert ${here(stack.caCertificateFile)} ` : "";
  const suffix = stack.name === "dev" ? "" : ` --stack ${stack.name}`;
  const lines = [
    `Listening as ${stack.hostname}`,
    ...table(rows),
    "",
    stack.secretsFile ? `Logins (made-up passwords are in ${here(stack.secretsFile)})` : "Logins",
    ...table(logins),
    ...(more > 0 ? [`  and ${more} more`] : []),
    "",
    "Try next",
    ...(imaps && first
      ? [
          `  curl ${trust}--resolve ${stack.hostname}:${imaps.port}:${imaps.address} -u ${first} imaps://${stack.hostname}:${imaps.port}/`,
        ]
      : []),
    `  npx mailkeep logs --follow${suffix}`,
    `  edit Pulumi.${stack.name}.yaml (add a mailbox), then: npx mailkeep preview${suffix}`,
    "",
    `'npx mailkeep stop${suffix}' ends the server and keeps its data; 'npx mailkeep destroy${suffix}' takes the stack down.`,
  ];
  return `${lines.join("\n")}\n`;
}

function isMadeUp(
  stack: Pick<DeployedStack, "secretsFile">,
  passwords: Readonly<Record<string, string>>,
  address: string,
): boolean {
  return stack.secretsFile !== undefined && passwords[address] !== undefined;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}
