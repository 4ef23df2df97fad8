/**
 * A real Thunderbird without a display, driven from outside: Gecko's remote protocol (Marionette) runs functions in its own
 * context, where they use what its windows use to set accounts up, read, flag, move and search.
 *
 * It has a profile of its own and nowhere to go: everything but loopback is sent to a proxy that is not there.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 90_000;
const NOWHERE = {
  "network.proxy.type": 1,
  "network.proxy.http": "127.0.0.1",
  "network.proxy.ssl": "127.0.0.1",
};
const PREFERENCES = {
  ...NOWHERE,
  "network.proxy.http_port": 9,
  "network.proxy.ssl_port": 9,
  "marionette.port": 0,
  "mail.provider.suppress_dialog_on_startup": true,
  "mail.spotlight.firstRunDone": true,
  "mail.rights.version": 1,
  "mail.shell.checkDefaultClient": false,
  "mailnews.start_page.enabled": false,
  "mailnews.start_page_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
};

export class Thunderbird {
  readonly #process: ChildProcess;
  readonly #profile: string;
  #socket: Socket | undefined;
  #received = Buffer.alloc(0);
  #lastId = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();

  private constructor(profile: string) {
    this.#profile = profile;
    const options = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote"];
    this.#process = spawn("thunderbird", [...options, "--profile", profile], {
      stdio: "ignore",
      env: { ...process.env, HOME: profile, MOZ_HEADLESS: "1" },
      detached: true,
    });
  }

  static async start(): Promise<Thunderbird> {
    const profile = mkdtempSync(join(tmpdir(), "mailkeep-thunderbird-"));
    const lines = Object.entries(PREFERENCES).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    writeFileSync(join(profile, "user.js"), lines.join(""));
    const thunderbird = new Thunderbird(profile);
    try {
      await thunderbird.#connect();
      return thunderbird;
    } catch (error) {
      await thunderbird.end();
      throw error;
    }
  }

  async #connect(): Promise<void> {
    const file = join(this.#profile, "MarionetteActivePort");
    const until = Date.now() + PATIENCE_MS;
    while (!existsSync(file) || readFileSync(file, "latin1") === "") {
      assert.ok(this.#process.exitCode === null && Date.now() < until, "Thunderbird does not start");
      await sleep(100);
    }
    const socket = connect(Number(readFileSync(file, "latin1")), "127.0.0.1");
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (bytes) => this.#take(bytes));
    await once(socket, "connect");
    // The server's certificate is nobody's whom Thunderbird knows.
    await this.#command("WebDriver:NewSession", { acceptInsecureCerts: true });
    await this.#command("Marionette:SetContext", { value: "chrome" });
    await this.#command("WebDriver:SetTimeouts", { script: PATIENCE_MS });
  }

  /** Answers are `<length>:[1, id, error, result]`. */
  #take(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const colon = this.#received.indexOf(":");
      const end = colon + 1 + Number(this.#received.subarray(0, Math.max(colon, 0)).toString("latin1"));
      if (colon < 0 || this.#received.length < end) return;
      const message: unknown = JSON.parse(this.#received.subarray(colon + 1, end).toString("utf8"));
      this.#received = this.#received.subarray(end);
      // What is no list is the greeting.
      if (!Array.isArray(message)) continue;
      const [, id, error, result] = message as [number, number, { message: string } | null, unknown];
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result);
    }
  }
  #command(name: string, parameters: object): Promise<unknown> {
    this.#lastId += 1;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, answer);
    const text = JSON.stringify([0, this.#lastId, name, parameters]);
    this.#socket!.write(`${Buffer.byteLength(text)}:${text}`);
    return answer.promise;
  }

  /** Runs the body of an asynchronous function inside Thunderbird and gives what it returns; its arguments are `given`. */
  async run(body: string, ...given: readonly (string | number)[]): Promise<unknown> {
    const script = `
      const done = arguments[arguments.length - 1];
      const given = [...arguments].slice(0, -1);
      (async () => {${body}})().then((value) => done({ value }), (error) => done({ error: String(error) + error.stack }));`;
    const options = { script, args: given, sandbox: "system", newSandbox: true };
    const answer = (await this.#command("WebDriver:ExecuteAsyncScript", options)) as {
      readonly value: { readonly value?: unknown; readonly error?: string };
    };
    assert.equal(answer.value.error, undefined);
    return answer.value.value;
  }

  async end(): Promise<void> {
    this.#socket?.destroy();
    const { pid, exitCode } = this.#process;
    if (pid !== undefined && exitCode === null) {
      const gone = once(this.#process, "exit");
      // It has children of its own, which are in its group.
      process.kill(-pid, "SIGKILL");
      await gone;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
