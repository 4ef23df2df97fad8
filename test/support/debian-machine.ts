/**
 * A fresh minimal Debian as a machine of its own: systemd as its first process, a real sshd, a network cable to here; all of
 * it in namespaces that end with the test. Its packages come from a directory of its own, so that it needs no internet.
 *
 * The root is made once by mmdebstrap and kept as long as the recipe is the same; each machine writes to an overlay of it in
 * memory, whose size is the size of its disk.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { installed } from "./tools.ts";

const release = "bookworm";
const packages = ["systemd", "systemd-sysv", "dbus", "openssh-server", "sudo"];
/** Packages the machine may install: they lie on it as its mirror. */
const mirrored = ["nftables"];
/** What prepares the root besides its packages; `$1` is the root. */
const customize = `set -eu
chroot "$1" apt-get clean
chroot "$1" apt-get -q -y --no-install-recommends --download-only install ${mirrored.join(" ")} >&2
mkdir "$1/srv/debs"
mv "$1"/var/cache/apt/archives/*.deb "$1/srv/debs/"
cd "$1/srv/debs"
for file in *.deb; do
  dpkg-deb -f "$file"
  printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
done >Packages
rm -f "$1"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/debs ./' >"$1/etc/apt/sources.list"
chroot "$1" useradd --create-home --shell /bin/bash deploy
chroot "$1" systemctl mask console-getty.service getty@.service systemd-networkd.service >&2
echo 'UseDNS no' >"$1/etc/ssh/sshd_config.d/test.conf"
mkdir -p -m 700 "$1/root/.ssh" "$1/home/deploy/.ssh"`;

/** Undefined where such machines can be made; else what is missing. */
export function noMachines(): string | undefined {
  const tools = ["mmdebstrap", "unshare", "nsenter", "ip"].filter((tool) => !installed(tool));
  if (tools.length > 0) return `${tools.join(", ")} not installed`;
  const may = spawnSync("unshare", ["--pid", "--mount", "--net", "--cgroup", "--fork", "true"]);
  return may.status === 0 ? undefined : "namespaces may not be made here";
}

/** The root directory, made where it is not there yet. */
function debianRoot(): string {
  const recipe = createHash("sha256").update(JSON.stringify([release, packages, customize]));
  const root = join(tmpdir(), `mailkeep-debian-${recipe.digest("hex").slice(0, 12)}`);
  if (existsSync(root)) return root;
  const making = mkdtempSync(`${root}.`);
  const hook = join(making, "customize.sh");
  writeFileSync(hook, customize, { mode: 0o755 });
  execFileSync(
    "mmdebstrap",
    [
      "--quiet",
      "--variant=minbase",
      `--include=${packages.join(",")}`,
      `--customize-hook=sh ${hook} "$1"`,
      release,
      join(making, "root"),
      ...sources(),
    ],
    { stdio: ["ignore", "ignore", "inherit"], timeout: 400_000 },
  );
  try {
    renameSync(join(making, "root"), root);
  } catch {
    // Another test made it in the meantime.
  }
  rmSync(making, { recursive: true, force: true });
  return root;
}

/** The mirrors of this machine, where it is a Debian of the same release. */
function sources(): string[] {
  const here = readFileSync("/etc/os-release", "utf8").includes(`VERSION_CODENAME=${release}`);
  const file = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"].find(
    (path) => existsSync(path) && readFileSync(path, "utf8").trim() !== "",
  );
  return here && file !== undefined ? [file] : [];
}

/** In new namespaces: the overlay, what a container has below /dev, /proc and /sys, then systemd. */
const boot = `set -eu
lower=$1 work=$2 size=$3
mount --make-rprivate /
mount -t tmpfs -o "size=$size" tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
root=$work/root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
touch "$work/console" "$root/dev/console"
mount --bind "$work/console" "$root/dev/console"
printf %s "$4" >"$root/root/.ssh/authorized_keys"
printf %s "$4" >"$root/home/deploy/.ssh/authorized_keys"
chroot "$root" chown -R deploy:deploy /home/deploy
printf %s "$5" >"$root/etc/sudoers.d/test"
ip link set lo up
hostname machine
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip address add "$6/30" dev eth0
ip link set eth0 up
cd "$root"
exec chroot . env -i container=mailkeep-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-level=warning`;

export interface DebianMachine {
  readonly address: string;
  /** A private key's file that root and the user \`deploy\` log in with. */
  readonly key: string;
  /** Fingerprint of its ed25519 host key. */
  readonly hostKey: string;
  /** Runs a shell script as root there, past sshd; gives what it printed. */
  run(script: string): string;
  /** Pulls the plug. */
  stop(): void;
}

export interface MachineOptions {
  /** Of its disk; 900 MiB when absent. */
  readonly diskMiB?: number;
  /** Lines of sudoers(5) for the user `deploy`. */
  readonly sudoers?: string;
}

/** Boots a machine; it answers by ssh when this resolves. */
export async function bootMachine({
  diskMiB = 900,
  sudoers = "",
}: MachineOptions = {}): Promise<DebianMachine> {
  const root = debianRoot();
  const directory = mkdtempSync(join(tmpdir(), "machine-"));
  const work = join(directory, "work");
  mkdirSync(work);
  const key = join(directory, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  // One of 16,384 networks of four addresses in a range that is nobody's (RFC 2544).
  const network = randomInt(16_384) * 4;
  const at = (host: number) => `198.18.${(network >> 8) & 255}.${(network & 255) + host}`;
  const [here, address] = [at(1), at(2)];
  const child = spawn(
    "unshare",
    [
      ...["--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child=KILL"],
      ...[
        "sh",
        "-c",
        boot,
        "boot",
        root,
        work,
        `${diskMiB}m`,
        readFileSync(`${key}.pub`, "utf8"),
        sudoers,
        address,
      ],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const stop = () => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  const until = Date.now() + 60_000;
  const soon = async <T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> => {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (child.exitCode !== null || Date.now() > until) {
        stop();
        throw new Error(`the machine does not start (${what}):\n${said}`);
      }
      await wait(50);
    }
  };
  const init = await soon("its first process", () => {
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
    return children === "" ? undefined : Number(children.split(" ")[0]);
  });
  const cable = `mk${network}`;
  await soon("its network", () => {
    // The namespace is not there at once.
    const made = spawnSync("ip", [
      "link",
      "add",
      cable,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      String(init),
    ]);
    return made.status === 0 ? true : undefined;
  });
  execFileSync("ip", ["address", "add", `${here}/30`, "dev", cable]);
  execFileSync("ip", ["link", "set", cable, "up"]);
  await soon("its sshd", () => answers(address));
  const run = (script: string) =>
    execFileSync(
      "nsenter",
      [
        "-t",
        String(init),
        "-p",
        "-m",
        "-n",
        "-u",
        "-i",
        "-C",
        `--root=/proc/${init}/root`,
        `--wd=/proc/${init}/root`,
        "sh",
        "-c",
        script,
      ],
      { encoding: "utf8", maxBuffer: 64 << 20, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
    );
  const hostKey = run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split(" ")[1] ?? "";
  return { address, key, hostKey, run, stop };
}

/** True when a banner comes; undefined before. */
function answers(address: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22 });
    const finish = (answer: true | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => finish(undefined));
    socket.on("data", () => finish(true));
    socket.on("error", () => finish(undefined));
  });
}
