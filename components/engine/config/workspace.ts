/**
 * A stack of a project on this machine: where its state, its configuration and its passphrase are.
 *
 * What `mailkeep` needs to keep and nobody wrote into a tracked file lies below `.mailkeep/`: the state, a passphrase
 * made up for this checkout, and `.mailkeep/Pulumi.<stack>.yaml`, which is the tracked Pulumi.<stack>.yaml with this
 * checkout's own additions: the encryption salt and secrets set here. `.mailkeep/env` points the Pulumi CLI at all
 * three (PULUMI_OPTION_CONFIG_FILE is its --config-file), so that `. .mailkeep/env` and plain `pulumi` work on the
 * same stack without a change to a tracked file.
 */
import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EngineError, messageOf } from "../errors.ts";
import type { PropertyPath } from "../property-path.ts";
import { writeDurably } from "../state/durable-file.ts";
import { SecretsManager } from "../state/passphrase.ts";
import { StackFiles } from "../state/stack-files.ts";
import { applySchema, type ConfigValue, findProject, type Project } from "./project.ts";
import { containsSecure, StackConfig } from "./stack-config.ts";

/** Below the project, ignored by git. */
const STATE_DIRECTORY = ".mailkeep";

const STACK_NAME = /^[A-Za-z0-9_.-]{1,100}$/;
const PASSPHRASE_BYTES = 24;

export interface WorkspaceOptions {
  /** Where to look for the project; the current directory when absent. */
  directory?: string;
  stack: string;
  environment?: Record<string, string | undefined>;
}

/** Configuration as the program gets it. */
export interface ProgramConfig {
  config: Record<string, string>;
  secretKeys: string[];
}

interface Passphrase {
  text: string;
  /** Made up for this checkout: nobody else can open what is encrypted with it. */
  isOwn: boolean;
}

export class Workspace {
  readonly project: Project;
  readonly stack: string;
  readonly stateDirectory: string;
  readonly files: StackFiles;
  readonly #environment: Record<string, string | undefined>;
  readonly #tracked: StackConfig;
  readonly #local: StackConfig;
  #passphrase: Passphrase | undefined;
  #manager: Promise<SecretsManager> | undefined;

  /** Throws `config` for a project or configuration that cannot be read. */
  constructor({ directory = process.cwd(), stack, environment = process.env }: WorkspaceOptions) {
    if (!STACK_NAME.test(stack)) {
      throw new EngineError("config", `'${stack}' is no stack name; use letters, digits, '-', '_' and '.'`);
    }
    this.project = findProject(directory);
    this.stack = stack;
    this.#environment = environment;
    this.stateDirectory = join(this.project.directory, STATE_DIRECTORY);
    this.files = new StackFiles(this.#backend(), this.project.name, stack);
    this.#tracked = StackConfig.read(join(this.project.directory, `Pulumi.${stack}.yaml`));
    this.#local = StackConfig.read(join(this.stateDirectory, `Pulumi.${stack}.yaml`));
  }

  #backend(): string {
    const url = this.#environment.PULUMI_BACKEND_URL;
    if (!url) return this.stateDirectory;
    if (!url.startsWith("file://")) {
      throw new EngineError(
        "unsupported",
        `PULUMI_BACKEND_URL names ${url}, and the embedded engine keeps its state in files. ` +
          "Use --engine pulumi, or unset PULUMI_BACKEND_URL.",
      );
    }
    return url === "file://~" ? (this.#environment.HOME ?? "/") : resolve(fileURLToPath(new URL(url)));
  }

  /** The stack's own configuration file. */
  get configFile(): string {
    return this.#tracked.path;
  }

  /** The values as they are written, with this checkout's additions. */
  raw(): Record<string, unknown> {
    return this.#merged().raw();
  }

  /** The passphrase: from the environment, as Pulumi takes it, or this checkout's own. */
  #findPassphrase(mayMake: boolean): Passphrase {
    if (this.#passphrase) return this.#passphrase;
    const { PULUMI_CONFIG_PASSPHRASE: given, PULUMI_CONFIG_PASSPHRASE_FILE: file } = this.#environment;
    const ownFile = join(this.stateDirectory, "passphrase");
    const read = (path: string) => {
      try {
        return readFileSync(path, "utf8").trim();
      } catch (error) {
        throw new EngineError(
          "no-passphrase",
          `the passphrase in ${path} cannot be read: ${messageOf(error)}`,
          { cause: error },
        );
      }
    };
    if (given !== undefined) {
      this.#passphrase = { text: given, isOwn: false };
    } else if (file) {
      this.#passphrase = { text: read(file), isOwn: resolve(file) === ownFile };
    } else if (existsSync(ownFile)) {
      this.#passphrase = { text: read(ownFile), isOwn: true };
    } else if (mayMake && this.#tracked.salt === undefined) {
      makePassphrase(ownFile);
      this.#passphrase = { text: read(ownFile), isOwn: true };
    } else {
      throw new EngineError(
        "no-passphrase",
        `stack '${this.stack}' has secrets and no passphrase is set; ` +
          "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE.",
      );
    }
    return this.#passphrase;
  }

  /** Opens the stack's secrets; `stateSalt` is the one its state was written with. */
  async secrets(stateSalt?: string): Promise<SecretsManager> {
    const configSalt = this.#tracked.salt ?? this.#local.salt;
    const salt = stateSalt ?? configSalt;
    const passphrase = this.#findPassphrase(salt === undefined);
    if (salt !== undefined) return SecretsManager.open(passphrase.text, salt, `stack '${this.stack}'`);
    this.#manager ??= SecretsManager.create(passphrase.text);
    return this.#manager;
  }

  /** The configuration as the program gets it: defaults applied, types checked, secrets decrypted. */
  async config(): Promise<ProgramConfig> {
    const values = applySchema(this.project, this.stack, await this.values());
    return {
      config: Object.fromEntries([...values].map(([key, value]) => [key, value.text])),
      secretKeys: [...values].filter(([, value]) => value.isSecret).map(([key]) => key),
    };
  }

  /** Every value of the stack, decrypted. */
  values(): Promise<Map<string, ConfigValue>> {
    return this.#merged().values(() => this.secrets());
  }

  /**
   * Sets a value and gives the file it went to. A secret under this checkout's own passphrase stays in this
   * checkout: in a tracked file nobody else could read it.
   */
  async set(key: string, path: PropertyPath, value: unknown, options: { secret: boolean }): Promise<string> {
    let written = value;
    let file = this.#tracked;
    if (options.secret) {
      const manager = await this.secrets((await this.files.read())?.salt);
      if (this.#findPassphrase(false).isOwn && this.#tracked.salt === undefined) file = this.#local;
      if (file.salt === undefined) file.setSalt(manager.salt);
      written = { secure: manager.encrypt(typeof value === "string" ? value : JSON.stringify(value)) };
    }
    file.set(key, path, written);
    if (file === this.#tracked) await file.write();
    await this.writeLocalFiles();
    return file.path;
  }

  /** Removes a value and gives the file it was in; undefined where there is none. */
  async remove(key: string, path: PropertyPath): Promise<string | undefined> {
    const wasLocal = this.#local.remove(key, path);
    const wasTracked = this.#tracked.remove(key, path);
    if (wasTracked) await this.#tracked.write();
    await this.writeLocalFiles();
    return wasTracked ? this.#tracked.path : wasLocal ? this.#local.path : undefined;
  }

  /** Brings `.mailkeep/Pulumi.<stack>.yaml` and `.mailkeep/env` up to date. `manager` is the state's. */
  async writeLocalFiles(manager?: SecretsManager): Promise<void> {
    const merged = this.#merged();
    const salt = this.#tracked.salt ?? this.#local.salt ?? manager?.salt ?? (await this.#manager)?.salt;
    if (salt !== undefined && merged.salt === undefined) merged.setSalt(salt);
    await writeChanged(
      join(this.stateDirectory, `Pulumi.${this.stack}.yaml`),
      HEADER + withoutHeader(merged.toString()),
    );
    await writeChanged(join(this.stateDirectory, "env"), this.#environmentFile());
  }

  /** What the Pulumi CLI needs in its environment to work on this stack and this state. */
  cliEnvironment(): Record<string, string> {
    const passphraseFile = join(this.stateDirectory, "passphrase");
    return {
      PULUMI_BACKEND_URL: `file://${this.files.backend}`,
      ...(existsSync(passphraseFile) && { PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile }),
      PULUMI_STACK: this.stack,
      ...(this.#tracked.salt === undefined && {
        PULUMI_OPTION_CONFIG_FILE: join(this.stateDirectory, `Pulumi.${this.stack}.yaml`),
      }),
    };
  }

  #environmentFile(): string {
    const lines = Object.entries(this.cliEnvironment()).map(
      ([name, value]) => `export ${name}=${quote(value)}`,
    );
    const runtime = join(this.project.directory, "node_modules", ".bin");
    return [
      `# Lets the Pulumi CLI work on stack '${this.stack}' as mailkeep does: . ${STATE_DIRECTORY}/env && pulumi preview`,
      ...lines,
      "# The Node that runs TypeScript as it is.",
      `export PATH=${quote(runtime)}:"$PATH"`,
      "",
    ].join("\n");
  }

  /**
   * The tracked file with what only this checkout has: its salt and its own secrets. A tracked file that has a
   * salt is complete as it is.
   */
  #merged(): StackConfig {
    const merged = StackConfig.read(this.#tracked.path);
    if (merged.salt !== undefined || this.#local.salt === undefined) return merged;
    const known = merged.raw();
    for (const [key, value] of Object.entries(this.#local.raw())) {
      if (!containsSecure(value)) continue;
      if (!(key in known)) merged.set(key, [], value);
      else for (const [name, secret] of ownEntries(known[key], value)) merged.set(key, [name], secret);
    }
    merged.setSalt(this.#local.salt);
    return merged;
  }
}

/** Makes up a passphrase. Of two that come at the same moment both find the first one's. */
function makePassphrase(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${randomBytes(PASSPHRASE_BYTES).toString("base64url")}\n`, { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Secrets in one object that the other does not have. */
function ownEntries(known: unknown, local: unknown): [string, unknown][] {
  if (typeof known !== "object" || known === null || typeof local !== "object" || local === null) return [];
  return Object.entries(local).filter(([name, value]) => !(name in known) && containsSecure(value));
}

const HEADER = "# Made by mailkeep from Pulumi's own file beside Pulumi.yaml: edit that one.\n";
const withoutHeader = (text: string): string => (text.startsWith(HEADER) ? text.slice(HEADER.length) : text);

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

async function writeChanged(path: string, text: string): Promise<void> {
  const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (before !== text) await writeDurably(path, text, 0o600);
}
