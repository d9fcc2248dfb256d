// The literal Worker on a metered database.
export { DatabaseWriter, DeviceBans, DomainObject, default } from "../literal/index.ts";
export { MeterControl } from "./metered.ts";
