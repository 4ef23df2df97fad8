/** An address that stands for others. */
import { z } from "zod";
import { aliasAddress } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

export const alias = resourceType({
  token: "mailkeep:index:Alias",
  description: "An address that stands for others.",
  inputs: z.object({
    address: aliasAddress.meta({
      description: "The address; `@domain` takes whatever nothing else of that domain takes.",
    }),
    targets: z.array(aliasAddress).min(1, "an alias stands for at least one address").meta({
      description: "Where its mail goes; `@domain` keeps the part before the @ (an alias domain).",
    }),
  }),
  facts: z.object({}),
  identity: ["address"],
  secrets: [],
  id: (inputs) => inputs.address,
  async put({ host, owner, limit }, { address, targets }) {
    await host.perform("alias.put", { address, targets, owner }, limit);
    return {};
  },
  async read({ host, limit }, id) {
    const answer = await host.perform("alias.read", { address: id }, limit);
    if (!answer.exists) return undefined;
    return { inputs: { address: id, targets: answer.targets }, facts: {}, owner: answer.owner };
  },
  async remove({ host, owner, limit }, { address }) {
    await host.perform("alias.remove", { address, owner }, limit);
  },
});
