import type { OwnedDevice } from "../../../src/client/index.ts";

/** A device as the server lists it. */
export type ListedDevice = Omit<OwnedDevice, "joinedAt" | "handle"> & Readonly<{ joinedAt: string }>;

/** An owner's request as the fake server saw it. */
export type OwnerRequest = Readonly<{ method: string; path: string; headers: Headers; body: unknown }>;

/** The handle of a device of the list: the server makes another handle of it each time. */
const nameOf = (handle: string | null | undefined) => decodeURIComponent(handle ?? "").split("#")[0];

/** The owner's routes of a domain behind a fake `fetch`: lists of two devices a page, of other handles each time. */
export class FakeOwnerServer {
  readonly seen: OwnerRequest[] = [];
  /** The fates of the next requests; those after them pass. */
  readonly fates: ((pass: () => Response) => Response | Promise<Response>)[] = [];
  devices: ListedDevice[];
  #handles = 0;

  constructor(devices: ListedDevice[]) {
    this.devices = devices;
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    const url = new URL(String(input));
    const { method = "GET", body } = init;
    const path = `${url.pathname}${url.search}`;
    this.seen.push({ method, path, headers: new Headers(init.headers), body: body ? JSON.parse(String(body)) : null });
    const pass = () => this.#answer(method, url, body ? JSON.parse(String(body)) : null);
    return (this.fates.shift() ?? ((go) => go()))(pass);
  };

  #answer(method: string, { pathname, searchParams }: URL, body: { name?: string | null } | null): Response {
    const id = nameOf(pathname.split("/")[4]);
    const found = this.devices.find(({ deviceId }) => deviceId === id);
    if (id !== "" && !found) return Response.json({ error: "NOT_FOUND" }, { status: 404 });
    if (method === "PATCH") {
      this.devices = this.devices.map((each) => (each === found ? { ...each, name: body?.name ?? null } : each));
    } else if (method === "DELETE" && found) {
      this.devices = this.devices.filter((each) => each !== found);
    } else if (method === "DELETE") {
      this.devices = this.devices.filter(({ deviceId }) => deviceId === nameOf(searchParams.get("except")));
    } else {
      return this.#page(Number(searchParams.get("cursor") ?? 0));
    }
    return Response.json({});
  }

  #page(start: number): Response {
    const devices = this.devices.slice(start, start + 2).map((device) => ({ ...device, handle: this.#handle(device) }));
    const nextCursor = start + 2 < this.devices.length ? String(start + 2) : null;
    return Response.json({ domain: "den", memberCount: this.devices.length, maxMembership: 5, devices, nextCursor });
  }

  #handle({ deviceId }: ListedDevice): string {
    return `${deviceId}#${++this.#handles}`;
  }
}
