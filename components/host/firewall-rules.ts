/**
 * The firewall of a mail host as an nftables table of its own, `inet mailkeep`: connections from outside reach the declared
 * ports and the sshd that deploys, everything else is dropped. Other tables are neither read nor changed. Protocols stand as
 * numbers (1 is ICMP, 58 ICMPv6): a minimal Debian has no /etc/protocols. Pure.
 */

export interface OpenPort {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
}

/** The table's name, in the family inet. */
export const TABLE = "mailkeep";
/** The rules as they are loaded at each boot. */
export const RULES_FILE = "/etc/mailkeep/firewall.nft";
export const FIREWALL_UNIT = "mailkeep-firewall.service";

/** For `nft -f`: replaces the table in one transaction. */
export function firewallRules(open: readonly OpenPort[]): string {
  const ports = (protocol: OpenPort["protocol"]) => {
    const numbers = open.filter((one) => one.protocol === protocol).map(({ port }) => port);
    return [...new Set(numbers)].sort((left, right) => left - right);
  };
  const accept = (["tcp", "udp"] as const).flatMap((protocol) => {
    const numbers = ports(protocol);
    return numbers.length === 0 ? [] : [`    ${protocol} dport { ${numbers.join(", ")} } accept`];
  });
  return `# Declared by a mailkeep stack: a change made here is undone by its next 'up'.
table inet ${TABLE}
delete table inet ${TABLE}
table inet ${TABLE} {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "lo" accept
    ct state invalid drop
    meta l4proto { 1, 58 } accept
    udp sport 67 udp dport 68 accept
    udp sport 547 udp dport 546 accept
${accept.join("\n")}
  }
}
`;
}

/** Loads the table at boot, and again whenever nftables.service has flushed all there is. */
export const firewallUnitText = `# Declared by a mailkeep stack: a change made here is undone by its next 'up'.
[Unit]
Description=Firewall of the mailkeep mail server
After=nftables.service
PartOf=nftables.service
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f ${RULES_FILE}
ExecReload=/usr/sbin/nft -f ${RULES_FILE}
ExecStop=-/usr/sbin/nft delete table inet ${TABLE}

[Install]
WantedBy=multi-user.target
`;

/** The ports that a listing of the table lets in, in the order of its rules. */
export function openPorts(listing: string): OpenPort[] {
  const rules = listing.matchAll(/^\s*(tcp|udp) dport (?:\{ ([^}]*) \}|(\S+)) accept$/gm);
  return [...rules].flatMap(([, protocol, several, one]) =>
    (several ?? one ?? "")
      .split(",")
      .map((port) => Number(port.trim()))
      .filter((port) => Number.isInteger(port) && port > 0)
      .map((port) => ({ protocol: protocol as OpenPort["protocol"], port })),
  );
}
