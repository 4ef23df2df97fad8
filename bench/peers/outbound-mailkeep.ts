/** Ours, on its way out: the runtime as shipped, with its default settings and its own zone for the sink. */
import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { connectAdmin } from "../../mailserver-runtime/admin/client.ts";
import { answerLine } from "../../mailserver-runtime/admin/contract.ts";
import { endWithBench } from "./end-with-bench.ts";
import { forwardedAddress, type OutboundPeer, sinkAddress } from "./outbound-peer.ts";
import { banner, freePort } from "./ports.ts";

const root = path.resolve(import.meta.dirname, "../..");

export const mailkeep: OutboundPeer = {
  name: "mailkeep",
  missing: () => undefined,
  version: () => `mailkeep on Node ${process.versions.node}`,
  async start(directory, sinkPort) {
    for (const folder of ["config/stack", "config/zones", "state"])
      await fs.mkdir(path.join(directory, folder), { recursive: true });
    await fs.writeFile(
      path.join(directory, "config/postfix-virtual.cf"),
      `${forwardedAddress} ${sinkAddress}\n`,
    );
    await fs.writeFile(
      path.join(directory, "config/zones/sink.test.zone"),
      "$ORIGIN sink.test.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n@ MX 10 mx\nmx A 127.0.0.1\n",
    );
    const [smtpPort, dnsPort] = await Promise.all([freePort(), freePort()]);
    const settings = {
      hostname: "mail.bench.test",
      listeners: [{ protocol: "smtp", address: "127.0.0.1", port: smtpPort }],
      dns: { servers: [`127.0.0.1:${dnsPort}`], authoritative: { address: "127.0.0.1", port: dnsPort } },
      delivery: { port: sinkPort },
    };
    await fs.writeFile(
      path.join(directory, "config/stack/settings.json"),
      JSON.stringify({ settings, owner: "bench" }),
    );
    const output = await fs.open(path.join(directory, "server.out"), "w");
    const profile =
      process.env.BENCH_PROFILE === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${directory}`];
    const server = spawn(
      process.execPath,
      [...profile, path.join(root, "mailserver-runtime/main.ts"), "--root", directory],
      { stdio: ["ignore", output.fd, output.fd], env: { ...process.env, UV_THREADPOOL_SIZE: "16" } },
    );
    const guarded = endWithBench([server.pid!]);
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve())).then(guarded);
    try {
      await banner(smtpPort);
    } catch (error) {
      server.kill("SIGKILL");
      const said = await fs.readFile(path.join(directory, "server.out"), "utf8");
      throw new Error(`${(error as Error).message}\n${said}`);
    }
    const ask = async (operation: string, request: object): Promise<unknown> => {
      const client = await connectAdmin(path.join(directory, "run"));
      if (client === undefined) throw new Error("the server has no admin socket");
      const answer = answerLine.parse(JSON.parse(await client.ask(JSON.stringify({ operation, request }))));
      client.close();
      if (!answer.ok) throw new Error(answer.message);
      return answer.answer;
    };
    return {
      smtpPort,
      async waiting() {
        const { text } = (await ask("metrics", {})) as { text: string };
        return Number(/messages\{state="deferred"\} (\d+)/.exec(text)?.[1] ?? 0);
      },
      async flush() {
        await ask("queue.retry", { select: { all: true } });
      },
      async stop() {
        server.kill("SIGTERM");
        await ended;
        await output.close();
      },
    };
  },
};
