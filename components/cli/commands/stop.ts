/** `mailkeep stop`: ends the server of a local stack and keeps everything it has. */
import type { Command } from "../command.ts";
import { deployedStack } from "../local/deployed-stack.ts";
import { stackNamed, stackOption } from "../stack-options.ts";

const GRACE_MS = 8_000;

export const stop: Command = {
  name: "stop",
  summary: "end the server of a local stack; its data stays, and 'mailkeep up' brings it back",
  options: { ...stackOption },
  async run({ options }) {
    const stack = await deployedStack(stackNamed(options));
    try {
      const before = await stack.host.serverState({ deadline: Date.now() + 2_000 });
      await stack.host.stopServer(GRACE_MS, { deadline: Date.now() + GRACE_MS + 10_000 });
      const said = before.kind === "stopped" ? "The server was not running." : "The server has stopped.";
      process.stdout.write(`${said} Its data stays in ${stack.dataDirectory}.\n`);
      return 0;
    } finally {
      await stack.host.close();
    }
  },
};
