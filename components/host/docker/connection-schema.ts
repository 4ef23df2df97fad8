/** How a server in a Docker container is reached. */
import { z } from "zod";
import { addressProblem, DEFAULT_ADDRESS } from "./engine-address.ts";

export const dockerConnection = z
  .strictObject({
    type: z.literal("docker").meta({ description: "A container of a Docker engine." }),
    address: z.string().default(DEFAULT_ADDRESS).meta({
      description:
        "The engine: unix:///path, tcp://host:2376 with `certificates`, or ssh://user@host as your own ssh reaches it.",
    }),
    certificates: z.string().optional().meta({
      description: "For tcp: the directory on this machine with ca.pem, cert.pem and key.pem.",
    }),
    image: z.string().min(1).meta({ description: "The image, by id or digest, as the engine has it." }),
    container: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/)
      .meta({ description: "Name of the server's container." }),
    directory: z
      .string()
      .regex(/^\/[^/]/, { error: "is no absolute path below /" })
      .meta({
        description: "Absolute path on the engine's host: config, mail, state and log lie below it.",
      }),
    memoryBytes: z.int().min(0).default(0).meta({
      description: "Memory that the server and its sidecars need; a host with less is refused.",
    }),
  })
  .superRefine((connection, context) => {
    const problem = addressProblem(connection);
    if (problem !== undefined) context.addIssue({ code: "custom", path: ["address"], message: problem });
  });
export type DockerConnection = z.output<typeof dockerConnection>;
