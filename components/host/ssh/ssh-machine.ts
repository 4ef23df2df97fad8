/** A machine reached by ssh, administered as root: as itself where the login is root's, else by sudo. */
import { Readable } from "node:stream";
import type { ClientChannel } from "ssh2";
import type { Limit } from "../connection.ts";
import { HostError } from "../host-error.ts";
import type { Ended, Machine, MachineFacts, Script } from "../machine.ts";
import type { SshConnection } from "./connection-schema.ts";
import { exitOf, type Link } from "./link.ts";
import { parseFacts, surveyScript } from "./survey.ts";

/** More output than this is no answer of ours. */
const OUTPUT_LIMIT = 16 << 20;

/** How commands become root: not at all, by sudo without a question, or by sudo that reads the password first. */
type Rise = "none" | "sudo" | "sudo-password";

export class SshMachine implements Machine {
  readonly name: string;
  readonly #link: Link;
  readonly #user: string;
  readonly #sudoPassword: string | undefined;
  #rise: Promise<Rise> | undefined;
  #facts: Promise<MachineFacts> | undefined;

  constructor(link: Link, { user, sudoPassword }: Pick<SshConnection, "user" | "sudoPassword">) {
    this.name = link.name;
    this.#link = link;
    this.#user = user;
    this.#sudoPassword = sudoPassword;
  }

  facts(limit: Limit): Promise<MachineFacts> {
    this.#facts ??= this.#survey(limit).catch((error) => {
      this.#facts = undefined;
      throw error;
    });
    return this.#facts;
  }

  async run(script: Script, limit: Limit): Promise<Ended> {
    const command = `${timeLimit(limit)} ${shellCommand(script.text, script.args)}`;
    const channel = await this.#start(command, limit);
    return collect(channel, script, limit, this.name);
  }

  /** Starts a command as root whose channel the caller speaks with. */
  async start(argv: readonly string[], limit: Limit): Promise<ClientChannel> {
    return this.#start(argv.map(quoted).join(" "), limit);
  }

  async #start(command: string, limit: Limit): Promise<ClientChannel> {
    const rise = await this.#risen(limit);
    const channel = await this.#link.exec(`${prefixes[rise]}${command}`, limit);
    if (rise === "sudo-password") channel.write(`${this.#sudoPassword}\n`);
    return channel;
  }

  #risen(limit: Limit): Promise<Rise> {
    this.#rise ??= this.#tryToRise(limit).catch((error) => {
      this.#rise = undefined;
      throw error;
    });
    return this.#rise;
  }

  async #tryToRise(limit: Limit): Promise<Rise> {
    if (this.#user === "root") return "none";
    const free = await this.#ask(`${prefixes.sudo}true`, undefined, limit);
    if (free.code === 0) return "sudo";
    if (this.#sudoPassword !== undefined) {
      const asked = await this.#ask(`${prefixes["sudo-password"]}true`, `${this.#sudoPassword}\n`, limit);
      if (asked.code === 0) return "sudo-password";
      throw this.#sudoRefused(asked, "declare another sudoPassword");
    }
    throw this.#sudoRefused(free, "declare sudoPassword");
  }

  #sudoRefused({ code, stderr }: Ended, way: string): HostError {
    if (code === 127)
      return new HostError("permission", `${this.name} has no sudo: install it there, or log in as root.`);
    const said = stderr.trim().split("\n").at(-1)?.slice(0, 200) ?? "";
    return new HostError(
      "permission",
      `sudo on ${this.name} refuses (${said || `code ${code}`}): ${way}, or allow it without one by the line ` +
        `'${this.#user} ALL=(ALL) NOPASSWD: ALL' in /etc/sudoers.d/mailkeep, or log in as root.`,
    );
  }

  async #survey(limit: Limit): Promise<MachineFacts> {
    const script = { what: "say what it is", text: surveyScript };
    const ended = await this.#ask(shellCommand(script.text), undefined, limit);
    return parseFacts(this.name, ended.stdout);
  }

  /** As the user of the login. */
  async #ask(command: string, input: string | undefined, limit: Limit): Promise<Ended> {
    const channel = await this.#link.exec(command, limit);
    return collect(
      channel,
      { what: "answer", text: "", ...(input !== undefined && { input }) },
      limit,
      this.name,
    );
  }
}

const prefixes: Readonly<Record<Rise, string>> = {
  none: "",
  // -k: what was allowed in another session some minutes ago decides nothing here.
  sudo: "sudo -n -k -- ",
  "sudo-password": "sudo -k -S -p '' -- ",
};

/** For any login shell: a word that means itself. */
export const quoted = (word: string): string =>
  /^[A-Za-z0-9_./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

const shellCommand = (text: string, args: readonly string[] = []): string =>
  ["sh", "-c", text, "mailkeep", ...args].map(quoted).join(" ");

/** sshd signals no command of root's, and one whose connection broke runs on: so its end is set where it runs. */
function timeLimit({ deadline }: Limit): string {
  const seconds = Math.max(1, (deadline - Date.now()) / 1000);
  return `timeout -k 2 ${seconds.toFixed(2)}`;
}

/** Feeds a command, reads all it says, and waits for its end. */
function collect(channel: ClientChannel, script: Script, limit: Limit, name: string): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const outputs = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let size = 0;
  const give = (error: HostError) => {
    channel.destroy();
    reject(error);
  };
  const late = () => give(new HostError("unreachable", `${name} could not ${script.what} in time.`));
  const timer = setTimeout(late, Math.max(0, limit.deadline - Date.now()));
  const aborted = () => give(new HostError("unreachable", `${script.what}: the operation was cancelled.`));
  limit.signal?.addEventListener("abort", aborted, { once: true });
  const take = (kind: keyof typeof outputs) => (chunk: Buffer) => {
    size += chunk.length;
    if (size > OUTPUT_LIMIT)
      give(new HostError("protocol", `${name} says too much when asked to ${script.what}.`));
    else outputs[kind].push(chunk);
  };
  channel.on("data", take("stdout"));
  channel.stderr.on("data", take("stderr"));
  channel.on("error", () => {});
  channel.on("close", () => {
    clearTimeout(timer);
    limit.signal?.removeEventListener("abort", aborted);
    const code = exitOf(channel);
    if (code === undefined)
      return reject(
        new HostError("unreachable", `The connection to ${name} broke while it was to ${script.what}.`),
      );
    const [stdout, stderr] = [outputs.stdout, outputs.stderr].map((chunks) =>
      Buffer.concat(chunks).toString("utf8"),
    );
    resolve({ code, stdout: stdout ?? "", stderr: stderr ?? "" });
  });
  const { input = "" } = script;
  // A command that ends before it has read everything (a full disk) tells by its code; the rest is not sent.
  if (input instanceof Readable) {
    input.on("error", (error) =>
      give(new HostError("internal", `Cannot read what ${name} is sent: ${error.message}.`)),
    );
    channel.on("close", () => input.destroy());
    input.pipe(channel);
  } else channel.end(input);
  return promise;
}
