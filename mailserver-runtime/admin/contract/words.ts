/** What several operations speak of. */
import { z } from "zod";

/** An address with its domain. */
export const address = z.string().min(3).max(320);
export const domainName = z.string().min(1).max(255);
/** The URN of the declaring resource. */
export const owner = z.string().max(2048);
