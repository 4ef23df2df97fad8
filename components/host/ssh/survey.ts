/** What a machine is, in one question that needs no rights; and whether mailkeep can run there. */
import { HostError } from "../host-error.ts";
import type { MachineFacts } from "../machine.ts";

/** One `name=value` a line. */
export const surveyScript = `echo "kernel=$(uname -s)"
echo "machine=$(uname -m)"
if [ -r /etc/os-release ]; then . /etc/os-release; fi
echo "id=\${ID:-}"
echo "like=\${ID_LIKE:-}"
echo "version=\${VERSION_ID:-}"
echo "system=\${PRETTY_NAME:-}"
if [ -d /run/systemd/system ]; then echo systemd=yes; fi
set -- \${SSH_CONNECTION:-}
echo "port=\${4:-22}"`;

const processors: Readonly<Record<string, MachineFacts["processor"]>> = {
  x86_64: "x64",
  amd64: "x64",
  aarch64: "arm64",
  arm64: "arm64",
};

/** The first release with systemd 247 and glibc 2.28 or newer, which the unit and Node 24 need. */
const oldest: Readonly<Record<string, number>> = { debian: 11, ubuntu: 20.1 };

/** @throws {HostError} `unsupported`, naming what was found and what is needed */
export function parseFacts(name: string, text: string): MachineFacts {
  const found = Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const cut = line.indexOf("=");
      return cut < 0 ? [] : [[line.slice(0, cut), line.slice(cut + 1).trim()]];
    }),
  );
  const refuse = (what: string): never => {
    throw new HostError(
      "unsupported",
      `${name} ${what}; the ssh target needs Debian 11 or Ubuntu 20.10 or newer (or a system made of them) on x86_64 or arm64.`,
    );
  };
  const { kernel = "", machine = "", id = "", like = "", version = "", system = id } = found;
  if (kernel !== "Linux")
    refuse(kernel === "" ? "does not say what it is (is its shell no POSIX shell?)" : `runs ${kernel}`);
  const processor = processors[machine] ?? refuse(`has a processor of kind ${machine}`);
  const distribution =
    [id, ...like.split(" ")].find((known) => known in oldest) ??
    refuse(`runs ${system || "an unknown Linux"}`);
  if (id === distribution && Number(version) < (oldest[distribution] ?? 0)) refuse(`runs ${system}`);
  return {
    distribution,
    system: system || id,
    processor,
    systemd: found.systemd === "yes",
    sshPort: Number(found.port) || 22,
  };
}
