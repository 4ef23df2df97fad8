/**
 * A real Docker engine for tests: the one that answers here, else one of the test's own; and a base image made without a
 * registry, from the distribution's packages.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { makeImageFiles } from "../../build/image.ts";
import { root } from "../../build/javascript.ts";
import { fingerprint } from "../../components/host/local/runtime.ts";
import { installed, type Ran, type RunOptions, run } from "./tools.ts";

export interface Docker {
  /** Address of the engine, as in DOCKER_HOST. */
  readonly address: string;
  /** Runs the docker client; the code is a result. */
  ask(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The same, and anything but success is an error with what was said; gives the output. */
  do(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Ends the engine if it was started here. */
  end(): Promise<void>;
}

const BASE = "mailkeep-base:bookworm";
/** What a base needs for the image: a shell, what drops privileges, and Node's C++ library. */
const packages = "base-files,base-passwd,bash,dash,coreutils,grep,sed,util-linux,libstdc++6,tzdata";
const START_MS = 30_000;

/** The engine, or why there can be none here; throws in CI, where there must be one. */
export async function openDocker(): Promise<Docker | string> {
  const opened = await findOrStart();
  if (typeof opened === "string" && process.env.CI) throw new Error(`${opened} (.ci/packages)`);
  return opened;
}

async function findOrStart(): Promise<Docker | string> {
  if (!installed("docker")) return "docker is not installed";
  const present = engineAt(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock", async () => {});
  if ((await present.ask(["version"])).code === 0) return present;
  if (!installed("dockerd")) return "no Docker engine answers, and dockerd is not installed";
  if (process.getuid?.() !== 0) return "no Docker engine answers, and only root may start one";
  return startEngine();
}

function engineAt(address: string, end: () => Promise<void>): Docker {
  const env = { DOCKER_HOST: address, DOCKER_BUILDKIT: "0" };
  const ask: Docker["ask"] = (args, options) =>
    run("docker", args, { timeoutMs: 240_000, ...options, env: { ...env, ...options?.env } });
  return {
    address,
    ask,
    async do(args, options) {
      const { code, stdout, stderr } = await ask(args, options);
      if (code !== 0) throw new Error(`docker ${args.slice(0, 3).join(" ")}: ${stderr || stdout}`);
      return stdout.trim();
    },
    end,
  };
}

async function startEngine(): Promise<Docker | string> {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-docker-"));
  const address = `unix://${directory}/docker.sock`;
  const child = spawn(
    "dockerd",
    [
      ...["--host", address, "--data-root", `${directory}/data`, "--exec-root", `${directory}/exec`],
      ...["--pidfile", `${directory}/pid`, "--group", "root"],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-2000);
    });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const engine = engineAt(address, async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  for (const until = Date.now() + START_MS; Date.now() < until && child.exitCode === null; await wait(200))
    if ((await engine.ask(["version"])).code === 0) return engine;
  await engine.end();
  return `dockerd does not start here: ${said.trim().split("\n").at(-1)}`;
}

/** The base image's name; it is made where the engine does not have it, once for all tests of a run. */
export async function baseImage(docker: Docker): Promise<string> {
  if ((await docker.ask(["image", "inspect", BASE])).code === 0) return BASE;
  const archive = join(tmpdir(), "mailkeep-base-bookworm.tar");
  if (!existsSync(archive)) {
    const made = `${archive}.${process.pid}`;
    const { code, stderr } = await run(
      "mmdebstrap",
      ["--quiet", "--format=tar", "--variant=extract", `--include=${packages}`, "bookworm", made],
      { timeoutMs: 280_000 },
    );
    if (code !== 0) throw new Error(`mmdebstrap: ${stderr}`);
    renameSync(made, archive);
  }
  await docker.do(["import", archive, BASE]);
  return BASE;
}

/** The image of this checkout, built once for all tests of a run; gives its name. */
export async function buildImage(docker: Docker): Promise<string> {
  const dockerfile = join(root, "mailserver-runtime/Dockerfile");
  const made = createHash("sha256").update(fingerprint(root)).update(readFileSync(dockerfile)).digest("hex");
  const name = `mailkeep-test:${made.slice(0, 12)}`;
  const unlock = await locked(join(tmpdir(), "mailkeep-image.lock"));
  try {
    if ((await docker.ask(["image", "inspect", name])).code === 0) return name;
    const base = await baseImage(docker);
    const version = makeImageFiles(join(root, "dist-image"));
    const older = await docker.do(["images", "--quiet", "mailkeep-test"]);
    await docker.do([
      ...["build", "--quiet", "--build-arg", `BASE=${base}`, "--build-arg", `VERSION=${version}`],
      ...["--file", dockerfile, "--tag", name, root],
    ]);
    // Of sources that have changed since; one that a container uses stays.
    if (older !== "") await docker.ask(["image", "rm", ...new Set(older.split("\n"))]);
    return name;
  } finally {
    unlock();
  }
}

/** Two test files must not assemble the same directory at once. A lock that a dead process left is taken over. */
async function locked(path: string): Promise<() => void> {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch {
      const holder = Number(existsSync(path) ? readFileSync(path, "utf8") : 0);
      if (holder > 0 && !existsSync(`/proc/${holder}`)) rmSync(path, { force: true });
      await wait(200);
    }
  }
}
