import { z } from "zod";

/** A TCP port; 0 lets the system choose. */
export const portSchema = z.int().min(0).max(65_535);
