export type { Pause } from "../client/retries.ts";
export { DomainOperator } from "./domain-operator.ts";
export { OperatedDevice } from "./operated-device.ts";
export { OperatedDomain } from "./operated-domain.ts";
export type { CallOptions, OperatorOptions } from "./operator-connection.ts";
export { type FieldFault, OperatorError, type OperatorErrorName } from "./operator-errors.ts";
export { type Page, PagedList } from "./paged-list.ts";
export type * from "./responses.ts";
