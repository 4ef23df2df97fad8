/** Where a host keeps mail, keys and configuration. They are made when missing and never removed. */
import { z } from "zod";
import { resourceType } from "../resource-type.ts";

export const mailDirectories = resourceType({
  token: "mailkeep:index:MailDirectories",
  description:
    "The directories of a mail host: configuration, Maildirs, keys and queue, logs. They outlive the stack: a delete leaves them as they are.",
  inputs: z.object({}),
  facts: z.object({
    config: z.string().meta({ description: "The administrator's files, and what the stack declares." }),
    mail: z.string().meta({ description: "The Maildirs." }),
    state: z.string().meta({ description: "Keys, certificates, queue and indexes." }),
    log: z.string().meta({ description: "Log files." }),
    run: z.string().meta({ description: "Sockets and the record of the running process." }),
    machineId: z
      .string()
      .meta({ description: "Made once with the directories; tells one host from another." }),
  }),
  identity: [],
  secrets: [],
  id: () => "directories",
  async put({ host, limit }) {
    await host.makeDirectories(limit);
    const { machineId } = await host.perform("status", {}, limit);
    return { ...host.directories, machineId };
  },
  async read({ host, limit, owner }) {
    const { machineId } = await host.perform("status", {}, limit);
    return { inputs: {}, facts: { ...host.directories, machineId }, owner };
  },
  // Mail outlives every declaration.
  async remove() {},
});
