import type { Command } from "../command.ts";

export const help: Command = {
  name: "help",
  summary: "say what there is, or all about one command",
  usage: "[command]",
  options: {},
  words: [0, 1],
  async run({ words: [name] }) {
    const [{ commands }, { commandHelp, overview }, { unknownName }] = await Promise.all([
      import("../commands.ts"),
      import("../help.ts"),
      import("../command.ts"),
    ]);
    const command = commands.find((candidate) => candidate.name === name);
    if (name !== undefined && !command)
      throw unknownName(
        "command",
        name,
        commands.map((candidate) => candidate.name),
      );
    process.stdout.write(command ? commandHelp(command) : overview(commands));
    return 0;
  },
};
