import { createApp } from "./app.ts";

export { DomainCoordinator } from "./coordinator/domain-coordinator.ts";

export default createApp();
