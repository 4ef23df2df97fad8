/** The server's settings, as one object: what mailserver-runtime/settings/schema.ts describes. */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { settingsSchema } from "../../../mailserver-runtime/settings/schema.ts";
import { resourceType } from "../resource-type.ts";

export const settings = resourceType({
  token: "mailkeep:index:Settings",
  description: "The settings of a mail server. Those that take effect without a restart do so at once.",
  inputs: z.object({
    settings: settingsSchema.meta({ description: "By the names of the settings reference." }),
  }),
  facts: z.object({}),
  identity: [],
  secrets: [],
  // Without the defaults: one that changes is no diff of the stack.
  written: ["settings"],
  id: () => "settings",
  async put({ host, owner, limit }, inputs) {
    await host.perform("settings.put", { settings: inputs.settings, owner }, limit);
    return {};
  },
  async read({ host, limit }, _id, inputs) {
    const answer = await host.perform("settings.read", {}, limit);
    if (!answer.settings) return undefined;
    const unchanged = inputs && isDeepStrictEqual(settingsSchema.parse(inputs.settings), answer.settings);
    return {
      inputs: { settings: unchanged ? inputs.settings : answer.settings },
      facts: {},
      owner: answer.owner,
    };
  },
  async remove({ host, owner, limit }) {
    await host.perform("settings.remove", { owner }, limit);
  },
});
