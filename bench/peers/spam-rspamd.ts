/** rspamd with its stock rules, taught over its controller, its statistics in a Redis of its own; what needs the network is off. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { version } from "../harness.ts";
import { freePort } from "./ports.ts";
import type { SpamJudge } from "./spam-judge.ts";
import { answering, endedWithBench } from "./spam-spamd.ts";

const programs = ["/usr/bin/rspamd", "/usr/bin/redis-server"];
/** Modules that ask somebody outside. */
const network = ["rbl", "surbl", "fuzzy_check", "spf", "dkim", "dmarc", "arc", "asn", "url_redirector"];
/** Actions of rspamd's that a mail server marks or refuses by. */
const marking = new Set(["add header", "rewrite subject", "reject"]);

export const rspamd: SpamJudge = {
  name: "rspamd",
  missing() {
    const absent = programs.filter((program) => !fs.existsSync(program));
    return absent.length === 0 ? undefined : `${absent.join(" and ")} not installed`;
  },
  version: () => version("/usr/bin/rspamd", "--version"),
  async start(directory) {
    const [normal, controller, redis] = await Promise.all([freePort(), freePort(), freePort()]);
    const local = path.join(directory, "local.d");
    fs.mkdirSync(local);
    const files: Readonly<Record<string, string>> = {
      "worker-normal.inc": `bind_socket = "127.0.0.1:${normal}"; count = 1;`,
      "worker-controller.inc": `bind_socket = "127.0.0.1:${controller}"; secure_ip = ["127.0.0.1"];`,
      "worker-proxy.inc": "enabled = false;",
      "options.inc": 'disable_monitoring = true; dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; }',
      "redis.conf": `servers = "127.0.0.1:${redis}";`,
      ...Object.fromEntries(network.map((name) => [`${name}.conf`, "enabled = false;"])),
    };
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(local, name), `${text}\n`);
    const places = ["LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR"];
    const children = [
      spawn(
        "/usr/bin/redis-server",
        ["--bind", "127.0.0.1", "--port", String(redis), "--save", "", "--dir", directory],
        { stdio: "ignore" },
      ),
      spawn(
        "/usr/bin/rspamd",
        [
          ...["--no-fork", "--insecure", "--config", "/etc/rspamd/rspamd.conf"],
          ...places.map((place) => `--var=${place}=${directory}`),
        ],
        { stdio: "ignore" },
      ),
    ];
    const stops = children.map(endedWithBench);
    await answering(() => post(normal, "checkv2", Buffer.from("Subject: ready?\r\n\r\nready\r\n")));
    await answering(async () => {
      if (!(await fetch(`http://127.0.0.1:${controller}/ping`)).ok) throw new Error("no controller");
    });
    return {
      async learn(messages) {
        for (const { spam, bytes } of messages)
          await post(controller, spam ? "learnspam" : "learnham", bytes);
      },
      async isSpam(bytes) {
        const { action } = (await (await post(normal, "checkv2", bytes)).json()) as { action: string };
        return marking.has(action);
      },
      async stop() {
        for (const stop of stops) await stop();
      },
    };
  },
};

async function post(port: number, command: string, message: Buffer): Promise<Response> {
  const answer = await fetch(`http://127.0.0.1:${port}/${command}`, {
    method: "POST",
    body: new Uint8Array(message),
  });
  // 208 and 204: learnt before, or rspamd knows the message well enough already.
  if (!answer.ok) throw new Error(`rspamd answered ${command} with ${answer.status}: ${await answer.text()}`);
  return answer;
}
