import { DevicePane } from "./device-pane.ts";
import { storyOf } from "./story.ts";

const element = <Element extends HTMLElement>(id: string) => document.getElementById(id) as Element;
const query = new URLSearchParams(location.search);
const domain = query.get("domain") ?? `den-${crypto.randomUUID().slice(0, 8)}`;
history.replaceState(null, "", `?domain=${encodeURIComponent(domain)}`);
element("domain").textContent = domain;

const { domainServer, canSwitch } = await (await fetch("settings")).json();
const [tv, tablet, phone, laptop] = await Promise.all(
  (["TV", "Tablet", "Phone", "Laptop"] as const).map((name) => DevicePane.open(name, domain, domainServer)),
);
const devices = { tv, tablet, phone, laptop } as Parameters<typeof storyOf>[0];
element("devices").append(...Object.values(devices).map(({ element }) => element));

const steps = [...storyOf(devices)];
const next = element<HTMLButtonElement>("next");
const show = () => {
  next.textContent = steps[0]?.button ?? "Start over";
  next.disabled = false;
};
show();
next.addEventListener("click", async () => {
  const step = steps.shift();
  if (!step) return location.replace("?");
  next.disabled = true;
  await step.act();
  element("caption").textContent = step.caption;
  show();
});

const server = element("server");
server.hidden = !canSwitch;
server.querySelector("input")?.addEventListener("change", async ({ target }) => {
  const box = target as HTMLInputElement;
  box.disabled = true;
  await fetch(`server?on=${box.checked}`, { method: "POST" });
  box.disabled = false;
});
