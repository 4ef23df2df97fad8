/** A domain whose mail the server takes. */
import { z } from "zod";
import { domain as domainField } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

export const domain = resourceType({
  token: "mailkeep:index:Domain",
  description: "A domain whose mail the server takes.",
  inputs: z.object({ domain: domainField.meta({ description: "Its name; IDN in either form." }) }),
  facts: z.object({}),
  identity: ["domain"],
  secrets: [],
  id: (inputs) => inputs.domain,
  async put({ host, owner, limit }, { domain }) {
    await host.perform("domain.put", { domain, owner }, limit);
    return {};
  },
  async read({ host, limit }, id) {
    const answer = await host.perform("domain.read", { domain: id }, limit);
    return answer.exists ? { inputs: { domain: id }, facts: {}, owner: answer.owner } : undefined;
  },
  async remove({ host, owner, limit }, { domain }) {
    await host.perform("domain.remove", { domain, owner }, limit);
  },
});
