/**
 * The systemd unit that runs the server on a machine of its own (systemd.exec(5)): an ordinary user whose only right beyond
 * that is to bind low ports, who sees the system read-only and writes to the data directory alone. Pure.
 */
import { CURRENT } from "./installed-runtime.ts";
import { runtimePrograms } from "./runtime-files.ts";

/** The unit's name. */
export const SERVER_UNIT = "mailkeep.service";
/** The user the server runs as, and owner of its data. */
export const SERVER_USER = "mailkeep";
/** Code that Node has compiled once; may be deleted at any time. */
export const COMPILE_CACHE = "/var/cache/mailkeep";

export interface UnitOptions {
  /** The server's data. */
  readonly directory: string;
  /** Ceiling of its memory in bytes; none when absent. */
  readonly memoryBytes?: number;
}

export function serverUnitText({ directory, memoryBytes }: UnitOptions): string {
  const lines = [
    "# Declared by a mailkeep stack: a change made here is undone by its next 'up'.",
    "[Unit]",
    "Description=mailkeep mail server",
    "Wants=network-online.target",
    "After=network-online.target nss-lookup.target mailkeep-firewall.service",
    "",
    "[Service]",
    "Type=exec",
    `User=${SERVER_USER}`,
    `Group=${SERVER_USER}`,
    `WorkingDirectory=${directory}`,
    `ExecStart=${CURRENT}/node ${CURRENT}/${runtimePrograms.server} --root ${directory}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    "Environment=UV_THREADPOOL_SIZE=16",
    `Environment=NODE_COMPILE_CACHE=${COMPILE_CACHE}`,
    "CacheDirectory=mailkeep",
    "Restart=always",
    "RestartSec=1",
    "KillMode=mixed",
    "TimeoutStopSec=15",
    "LimitNOFILE=65536",
    "UMask=0077",
    ...(memoryBytes === undefined ? [] : [`MemoryMax=${memoryBytes}`]),
    "",
    "# Ports below 1024, and nothing else of what root may.",
    "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    `ReadWritePaths=${directory}`,
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "ProtectProc=invisible",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RemoveIPC=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
  return `${lines.join("\n")}\n`;
}
