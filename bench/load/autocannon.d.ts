// The types of autocannon that the bench uses: it brings none.
declare module "autocannon" {
  import type { EventEmitter } from "node:events";

  export type CannonRequest = {
    method: string;
    path?: string;
    headers?: Record<string, string>;
    body?: string;
    setupRequest?: (request: CannonRequest) => CannonRequest;
    onResponse?: (status: number, body: string) => void;
  };

  export type CannonResult = { errors: number; timeouts: number; statusCodeStats: Record<string, { count: number }> };

  export default function autocannon(
    options: {
      url: string;
      connections: number;
      amount: number;
      timeout: number;
      sampleInt: number;
      requests: CannonRequest[];
    },
    done: (error: Error | null, result: CannonResult) => void,
  ): EventEmitter;
}
