/** A stack on a test's machine: what its program declares, and the provider it runs with. */
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { DebianMachine } from "../../../../test/support/debian-machine.ts";
import type { MailStackArgs, SshHostArgs } from "../../../mail-stack-args.ts";

/** Password of every mailbox here. */
export const PASSWORD = "correct-horse-7";

export type Reached = Pick<DebianMachine, "address" | "key" | "hostKey">;

/** A program: the mailboxes, and what differs in the stack and its host. */
export function machineStack(
  { address, key, hostKey }: Reached,
  mailboxes: readonly string[] = ["anna@green.test"],
  changes: Partial<MailStackArgs> = {},
  host: Partial<SshHostArgs> = {},
) {
  return async () => {
    const { MailStack } = await import("../../../mail-stack.ts");
    const mail = new MailStack("mail", {
      domains: ["green.test"],
      mailboxes,
      passwords: Object.fromEntries(mailboxes.map((mailbox) => [mailbox, pulumi.secret(PASSWORD)])),
      dns: { type: "local" },
      ...changes,
      host: {
        type: "ssh",
        address,
        hostKey,
        auth: { type: "key", privateKey: pulumi.secret(readFileSync(key, "utf8")) },
        ...host,
      },
    });
    const { hostname, endpoints, logins, dataDirectory } = mail;
    return { hostname, endpoints, logins, dataDirectory };
  };
}
