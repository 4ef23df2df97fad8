import { type Command, UsageError } from "../command.ts";
import { engineOption, jsonOption, stackNamed, stackOption } from "../stack-options.ts";

export const outputs: Command = {
  name: "outputs",
  summary: "say what the stack gives: endpoints, records, paths",
  usage: "[name]",
  options: {
    ...stackOption,
    ...jsonOption,
    "show-secrets": { summary: "show secrets in plain" },
    ...engineOption,
  },
  words: [0, 1],
  async run({ options, words: [name] }) {
    const { delegated, EXIT } = await import("../stack-command.ts");
    const shown = options["show-secrets"] ? ["--show-secrets"] : [];
    const code = await delegated(options, [
      "stack",
      "output",
      ...(name === undefined ? [] : [name]),
      ...shown,
    ]);
    if (code !== undefined) return code;
    const [{ readOutputs }, { plain, redact }, { showValue }] = await Promise.all([
      import("../stack-operations.ts"),
      import("../../engine/wire.ts"),
      import("../display/words.ts"),
    ]);
    const all = await readOutputs({ stack: stackNamed(options) });
    const reveal = (value: unknown) => (options["show-secrets"] ? plain(value) : redact(value));
    if (name !== undefined && !(name in all)) {
      throw new UsageError(
        `the stack has no output '${name}'; it has ${Object.keys(all).join(", ") || "none"}`,
      );
    }
    const values = name === undefined ? all : all[name];
    if (options.json) process.stdout.write(`${JSON.stringify(reveal(values), null, 2)}\n`);
    else if (name !== undefined) process.stdout.write(`${asText(reveal(values))}\n`);
    else
      for (const [key, value] of Object.entries(all))
        process.stdout.write(`${key}: ${showValue(reveal(value))}\n`);
    return EXIT.done;
  },
};

const asText = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value, null, 2);
