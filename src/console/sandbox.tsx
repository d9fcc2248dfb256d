import { useState } from "preact/hooks";
import type { DeviceDomain, DeviceStatus } from "../client/index.ts";
import { encryptToDomain } from "../licence/index.ts";
import { Button, FailureNotice, Field } from "./components.tsx";
import { type Failure, failureOf } from "./failures.ts";
import { Time } from "./times.tsx";

/** One step of the sandbox: what it came to, and what was read or made in it. */
type Step = Readonly<{ at: string; sentence: string; text: string | null; failure: Failure | null }>;

/** The report of a step: a sentence, and a text that it produced. */
type Outcome = Readonly<{ sentence: string; text?: string }>;

const STATUS_TEXTS: Readonly<Record<DeviceStatus, string>> = {
  new: "not a member yet",
  member: "a member",
  leaving: "about to leave",
  left: "no longer a member",
  removed: "removed from the domain",
};

/** The steps a device can take in a domain, and a licence server for it, with what came of each. */
export function Sandbox({ device, url, onChange }: { device: DeviceDomain; url: string; onChange: () => void }) {
  const [busy, setBusy] = useState<string | null>(null);
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const [secret, setSecret] = useState("the content key");
  const [jwe, setJwe] = useState("");

  const take = (name: string, failed: string, work: () => Promise<Outcome>) => async () => {
    setBusy(name);
    const outcome = await work().catch((thrown) => ({ sentence: failed, failure: failureOf(thrown) }));
    const step = { text: null, failure: null, ...outcome, at: new Date().toISOString() };
    setSteps((before) => [...before, step]);
    setBusy(null);
    onChange();
  };
  const join = take("join", "The device could not join.", async () => {
    const { newMember, keyVersion } = await device.join();
    const as = newMember ? "It is a new member" : "It was a member already";
    return { sentence: `The device joined. ${as}, and holds the keys up to version ${keyVersion}.` };
  });
  const renew = take("renew", "The device could not renew.", async () => {
    const { keyVersion } = await device.renew();
    return { sentence: `The device renewed. It holds the keys up to version ${keyVersion}.` };
  });
  const leave = take("leave", "The device could not leave.", async () => {
    await device.leave();
    return { sentence: "The device left, and forgot its keys. A rollover is required now." };
  });
  const encrypt = take("encrypt", "Nothing was encrypted.", async () => {
    const made = await encryptToDomain(url, secret);
    setJwe(made);
    return { sentence: "A licence server encrypted the secret to the domain's current key.", text: made };
  });
  const decrypt = take("decrypt", "The device could not open it.", async () => {
    const text = new TextDecoder().decode(await device.decrypt(jwe));
    return { sentence: "The device opened it, and reads:", text };
  });

  const button = (name: string, label: string, work: () => Promise<void>, kind: "primary" | "plain" = "plain") => (
    <Button kind={kind} busy={busy === name} waits={busy !== null} onClick={work}>
      {label}
    </Button>
  );
  const { status, currentKeyVersion } = device;
  return (
    <div class="sandbox">
      <div class="card">
        <h3>The device</h3>
        <dl class="facts">
          <dt>GUID</dt>
          <dd>
            <code>{device.machineGuid}</code>
          </dd>
          <dt>Status</dt>
          <dd>{STATUS_TEXTS[status]}</dd>
          <dt>Keys</dt>
          <dd>{currentKeyVersion === null ? "none" : `up to version ${currentKeyVersion}`}</dd>
        </dl>
        <div class="buttons">
          {status === "member"
            ? button("renew", "Renew", renew)
            : status !== "leaving" && button("join", "Join", join, "primary")}
          {jwe !== "" && button("decrypt", "Open the secret", decrypt)}
          {(status === "member" || status === "leaving") && button("leave", "Leave", leave)}
        </div>
      </div>
      <div class="card">
        <h3>The licence server</h3>
        <Field
          label="Secret"
          control={(attributes) => (
            <input
              {...attributes}
              autocomplete="off"
              value={secret}
              onInput={(event) => setSecret(event.currentTarget.value)}
            />
          )}
        />
        <div class="buttons">{button("encrypt", "Encrypt to the domain", encrypt)}</div>
      </div>
      <ol class="steps" aria-live="polite" aria-label="What happened">
        {steps.map((step) => (
          <li key={step.at} class={step.failure ? "bad" : "good"}>
            <p>
              <Time at={step.at} part="clock" /> {step.sentence}
            </p>
            {step.text !== null && <code class="block">{step.text}</code>}
            {step.failure && <FailureNotice failure={step.failure} />}
          </li>
        ))}
      </ol>
    </div>
  );
}
