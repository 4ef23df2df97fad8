import { z } from "zod";

/** An IP address or a network: `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. */
export const networkSchema = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: "is no IP address and no network like 192.0.2.0/24",
});
