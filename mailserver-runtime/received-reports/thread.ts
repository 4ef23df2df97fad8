/** Reads the reports of one message in a thread of its own, which ends with it: see received-reports.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { reportsInMessage } from "./reports-in-message.ts";

parentPort?.postMessage(await reportsInMessage(Buffer.from(workerData as Uint8Array)));
