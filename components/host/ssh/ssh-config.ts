/** A machine by ssh as a stack's configuration declares it: the structure in the open, what logs in there in `mailkeep:ssh`. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { SshHostArgs } from "../../mail-stack-args.ts";
import type { SshAuthentication, SshReach } from "./ssh-args.ts";

const size = z.union([z.number(), z.string()]);

const sshReach = {
  address: z.string(),
  port: z.int().min(1).max(65_535).optional(),
  user: z.string().optional(),
  auth: z
    .discriminatedUnion("type", [
      z.strictObject({ type: z.literal("agent"), socket: z.string().optional() }),
      z.strictObject({ type: z.literal("key"), file: z.string().optional() }),
      z.strictObject({ type: z.literal("password") }),
    ])
    .optional(),
};

/** A host of type ssh in `mailkeep:mail`: names and structure, no secret. */
export const sshHostConfig = z.strictObject({
  type: z.literal("ssh"),
  ...sshReach,
  hostKey: z.string(),
  jump: z.strictObject({ ...sshReach, hostKey: z.string() }).optional(),
  directory: z.string().optional(),
  runtime: z
    .discriminatedUnion("type", [
      z.strictObject({
        type: z.literal("systemd"),
        memoryLimit: size.optional(),
        keepVersions: z.int().min(0).optional(),
      }),
    ])
    .optional(),
  firewall: z
    .discriminatedUnion("type", [
      z.strictObject({
        type: z.literal("nftables"),
        alsoOpen: z.array(z.int().min(1).max(65_535)).optional(),
      }),
      z.strictObject({ type: z.literal("none") }),
    ])
    .optional(),
});
export type SshHostConfig = z.output<typeof sshHostConfig>;
type AuthConfig = SshHostConfig["auth"];

/** What `mailkeep:ssh` may hold. */
export const sshSecrets = z.strictObject({
  privateKey: z.string().optional(),
  passphrase: z.string().optional(),
  password: z.string().optional(),
  sudoPassword: z.string().optional(),
  jumpPrivateKey: z.string().optional(),
  jumpPassphrase: z.string().optional(),
  jumpPassword: z.string().optional(),
});
export type SshSecrets = z.output<typeof sshSecrets>;

type LoginSecrets = Pick<SshSecrets, "privateKey" | "passphrase" | "password">;

/** The host with what logs in there. @throws {pulumi.RunError} naming a secret that is missing, and how to set it */
export function sshHostArgs(host: SshHostConfig, secrets: SshSecrets): SshHostArgs {
  const { jumpPrivateKey, jumpPassphrase, jumpPassword, sudoPassword, ...own } = secrets;
  const ofJump = { privateKey: jumpPrivateKey, passphrase: jumpPassphrase, password: jumpPassword };
  const { auth, jump, ...rest } = host;
  return {
    ...rest,
    ...authentication(auth, own, "host.auth", ""),
    ...(jump && { jump: jumpHost(jump, ofJump) }),
    ...(sudoPassword !== undefined && { sudoPassword: pulumi.secret(sudoPassword) }),
  };
}

function jumpHost({ auth, ...reach }: NonNullable<SshHostConfig["jump"]>, secrets: LoginSecrets): SshReach {
  return { ...reach, ...authentication(auth, secrets, "host.jump.auth", "jump") };
}

function authentication(
  auth: AuthConfig,
  { privateKey, passphrase, password }: LoginSecrets,
  where: string,
  prefix: "" | "jump",
): { auth?: SshAuthentication } {
  const missing = (name: string): never => {
    const key = prefix === "" ? name : `${prefix}${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    throw new pulumi.RunError(
      `mailkeep:mail.${where} asks for a ${name} that mailkeep:ssh does not have: ` +
        `pulumi config set --secret --path 'mailkeep:ssh.${key}'`,
    );
  };
  switch (auth?.type) {
    case "key": {
      const key =
        auth.file !== undefined
          ? { file: auth.file }
          : { privateKey: pulumi.secret(privateKey ?? missing("privateKey")) };
      return {
        auth: {
          type: "key",
          ...key,
          ...(passphrase !== undefined && { passphrase: pulumi.secret(passphrase) }),
        },
      };
    }
    case "password":
      return { auth: { type: "password", password: pulumi.secret(password ?? missing("password")) } };
    case "agent":
      return { auth };
    case undefined:
      return {};
  }
}
