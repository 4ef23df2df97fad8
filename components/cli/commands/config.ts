import { type Command, UsageError, unknownName } from "../command.ts";
import { jsonOption, stackNamed, stackOption } from "../stack-options.ts";

const ACTIONS = ["get", "set", "rm", "list"];

export const config: Command = {
  name: "config",
  summary: "show and set the stack's configuration",
  usage: "[list | get <key> | set <key> [value] | rm <key>]",
  details:
    "A key without a namespace is one of this project. 'set' without a value reads it from standard input, which keeps a " +
    "secret out of the shell's history. With --path the key is a place inside a value: " +
    `mailkeep config set --secret --path 'mailkeep:passwords["anna@example.org"]'.`,
  options: {
    ...stackOption,
    secret: { summary: "encrypt the value" },
    path: { summary: "the key is a path into a value" },
    "show-secrets": { summary: "show secrets in plain (list)" },
    ...jsonOption,
  },
  words: [0, 3],
  async run({ options, words: [action = "list", key, value] }) {
    if (!ACTIONS.includes(action)) throw unknownName("action", action, ACTIONS);
    const { Workspace } = await import("../../engine/config/workspace.ts");
    const workspace = new Workspace({ stack: stackNamed(options) });
    if (action === "list") return list(workspace, options["show-secrets"] === true, options.json === true);
    if (key === undefined) throw new UsageError(`config ${action} needs a key`);
    const place = await placeOf(workspace.project.name, key, options.path === true);
    if (action === "get") return get(workspace, place);
    if (action === "rm") {
      const file = await workspace.remove(place.key, place.path);
      if (file === undefined) throw new UsageError(`there is no value for '${key}'`);
      return 0;
    }
    const text = value ?? (await readStandardInput(key));
    await checkPlace(workspace, place, options.secret === true, text);
    const file = await workspace.set(
      place.key,
      place.path,
      options.path && !options.secret ? literal(text) : text,
      {
        secret: options.secret === true,
      },
    );
    process.stderr.write(`Set ${key} in ${file}.\n`);
    return 0;
  },
};

type Workspace = InstanceType<typeof import("../../engine/config/workspace.ts").Workspace>;
type Place = { key: string; path: (string | number)[] };

/** The key and, with --path, the place inside its value. */
async function placeOf(project: string, key: string, isPath: boolean): Promise<Place> {
  const [{ qualifyKey }, { parsePath }] = await Promise.all([
    import("../../engine/config/project.ts"),
    import("../../engine/property-path.ts"),
  ]);
  if (!isPath) return { key: qualifyKey(key, project), path: [] };
  const cut = key.search(/[.[]/);
  const name = cut < 0 ? key : key.slice(0, cut);
  return {
    key: qualifyKey(name, project),
    path: cut < 0 ? [] : parsePath(key.slice(cut).replace(/^\./, "")),
  };
}

/** Refuses what `up` would refuse: an unknown key, a secret in the structure. */
async function checkPlace(
  workspace: Workspace,
  { key, path }: Place,
  secret: boolean,
  text: string,
): Promise<void> {
  const [{ checkConfigRules }, { setPath }] = await Promise.all([
    import("../config-rules.ts"),
    import("../../engine/property-path.ts"),
  ]);
  const raw: Record<string, unknown> = {};
  setPath(raw, [key, ...path], secret ? { secure: "" } : text);
  checkConfigRules(workspace.project, workspace.stack, raw);
}

/** With --path, as in Pulumi, `true`, `false` and whole numbers keep their type. */
function literal(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return /^(0|-?[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

async function list(workspace: Workspace, showSecrets: boolean, json: boolean): Promise<number> {
  const raw = workspace.raw();
  const values = showSecrets ? await workspace.values() : undefined;
  const shown = Object.entries(raw).map(([key, value]) => {
    const found = values?.get(key);
    return {
      key,
      value: found ? (found.isObject ? JSON.parse(found.text) : found.text) : withoutSecrets(value),
    };
  });
  if (json) {
    process.stdout.write(
      `${JSON.stringify(Object.fromEntries(shown.map(({ key, value }) => [key, value])), null, 2)}\n`,
    );
  } else {
    for (const { key, value } of shown) {
      process.stdout.write(`${key}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`);
    }
  }
  return 0;
}

function withoutSecrets(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (typeof (value as { secure?: unknown }).secure === "string") return "[secret]";
  if (Array.isArray(value)) return value.map(withoutSecrets);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(item)]));
}

async function get(workspace: Workspace, { key, path }: Place): Promise<number> {
  const { getPath } = await import("../../engine/property-path.ts");
  const found = (await workspace.values()).get(key);
  const value = found?.isObject
    ? getPath(JSON.parse(found.text), path)
    : path.length === 0
      ? found?.text
      : undefined;
  if (value === undefined) throw new UsageError(`stack '${workspace.stack}' has no value for '${key}'`);
  process.stdout.write(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);
  return 0;
}

async function readStandardInput(key: string): Promise<string> {
  if (process.stdin.isTTY) throw new UsageError(`give a value for '${key}', or send it on standard input`);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
