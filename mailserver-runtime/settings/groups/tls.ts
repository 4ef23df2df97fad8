/** Transport security of our own ports (`tls`). */
import { z } from "zod";

export const tlsSettings = z
  .strictObject({
    level: z
      .enum(["modern", "intermediate"])
      .default("modern")
      .meta({ description: "Cipher suites offered.", dms: "TLS_LEVEL" }),
  })
  .prefault({})
  .meta({ description: "Transport security; certificates lie in state/certificates." });
