/**
 * How a machine is reached by ssh, as a provider is configured with it. Whatever is secret here is marked secret by the
 * `Provider` resource and stands nowhere else: not in outputs, messages or process lists.
 */
import { z } from "zod";
import { parseHostKeyPin } from "./host-key.ts";

const port = z.int().min(1).max(65_535);
const user = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?$/, "is no user name");
const address = z
  .string()
  .regex(/^[A-Za-z0-9.:_%-]+$/, "is no host name and no IP address")
  .meta({ description: "Name or IP address that its sshd answers on." });

const hostKey = z
  .string()
  .transform((text, context) => {
    if (parseHostKeyPin(text)) return text;
    context.addIssue({
      code: "custom",
      message:
        'is no host key: write its fingerprint (SHA256:...), the key as in ssh_host_ed25519_key.pub (ssh-ed25519 AAAA...), or "accept-first-use"',
    });
    return z.NEVER;
  })
  .meta({ description: "The key the machine must show: SHA256 fingerprint or public key line." });

const auth = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("agent"),
    socket: z.string().optional().meta({ description: "The agent's socket; SSH_AUTH_SOCK when absent." }),
  }),
  z
    .strictObject({
      type: z.literal("key"),
      privateKey: z.string().min(1).optional().meta({ description: "The private key's text; secret." }),
      file: z.string().min(1).optional().meta({ description: "In its place a file on this machine." }),
      passphrase: z.string().optional().meta({ description: "What the key is encrypted with; secret." }),
    })
    .refine(({ privateKey, file }) => (privateKey === undefined) !== (file === undefined), {
      error: "a key is given either as privateKey or as file",
    }),
  z.strictObject({ type: z.literal("password"), password: z.string().min(1) }),
]);

const reachedBy = {
  address,
  port: port.default(22),
  user: user.default("root"),
  hostKey,
  auth: auth.default({ type: "agent" }).meta({ description: "How to log in; the ssh agent when absent." }),
};

export const sshConnection = z.strictObject({
  type: z.literal("ssh").meta({ description: "A Debian or Ubuntu machine, by ssh." }),
  ...reachedBy,
  jump: z
    .strictObject(reachedBy)
    .optional()
    .meta({ description: "A machine the connection goes through, as ssh -J." }),
  sudoPassword: z.string().min(1).optional().meta({
    description:
      "What sudo asks of a user who is not root; nothing is asked where sudoers says NOPASSWD. Secret.",
  }),
  directory: z
    .string()
    .regex(/^\/[A-Za-z0-9._/-]+$/, "is no absolute path of plain characters")
    .default("/var/lib/mailkeep")
    .meta({ description: "Absolute path of the server's data on the machine." }),
});

export type SshConnection = z.infer<typeof sshConnection>;
/** One machine that speaks ssh: the host itself, or one on the way. */
export type SshEndpoint = Omit<SshConnection, "type" | "jump" | "sudoPassword" | "directory">;
export type SshAuthentication = SshConnection["auth"];
