/** The docker host in a stack's configuration (`mailkeep:mail`). */
import { z } from "zod";
import { MAIL_USER } from "./container-layout.ts";
import { addressProblem } from "./engine-address.ts";

const sidecar = z.union([z.boolean(), z.strictObject({ image: z.string().min(1) })]).optional();

/** A key has no place here: the plugin that makes the container takes none either. */
const noKey = z
  .undefined({
    error:
      'is not for the docker target, which goes through your own ssh (its agent and ~/.ssh/config); declare the host as type "ssh" to give a key',
  })
  .optional();

export const dockerHostConfig = z
  .strictObject({
    type: z.literal("docker"),
    address: z.string().optional(),
    certificates: z.string().optional(),
    directory: z.string().regex(/^\/[^/]+(?:\/|$)/, {
      error: `is no absolute path on the engine's host, as /srv/mail; it becomes user ${MAIL_USER}'s`,
    }),
    image: z.union([
      z.strictObject({ reference: z.string().min(1) }),
      z.strictObject({ base: z.string().min(1), context: z.string().optional() }),
    ]),
    container: z.string().optional(),
    publishOn: z.union([z.ipv4(), z.ipv6()]).optional(),
    memoryLimit: z.union([z.number(), z.string()]).optional(),
    sidecars: z.strictObject({ rspamd: sidecar, clamav: sidecar, unbound: sidecar }).optional(),
    auth: noKey,
    key: noKey,
    privateKey: noKey,
    password: noKey,
  })
  .superRefine(({ address, certificates }, context) => {
    if (address === undefined) return;
    const problem = addressProblem({ address, ...(certificates !== undefined && { certificates }) });
    if (problem !== undefined) context.addIssue({ code: "custom", path: ["address"], message: problem });
  });
