import { useState } from "preact/hooks";
import type { Rollover } from "../operator/index.ts";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";

type RolloverTime = Rollover["when"];

const TIMES: Readonly<Record<RolloverTime, Readonly<{ label: string; hint: string; done: string }>>> = {
  now: {
    label: "Now",
    hint: "There is a new key at once. Members get it when they renew.",
    done: "There is a new key. Members get it when they renew.",
  },
  "next-registration": {
    label: "At the next registration",
    hint: "Or sooner, when a licence server needs a key to encrypt to.",
    done: "A rollover is due. The next device or licence server makes a new key.",
  },
};

/** Asks when a new key is made. */
export function RolloverDialog({ domain, onClose }: { domain: string; onClose: (done: boolean) => void }) {
  const { operator, say } = useConsole();
  const [when, setWhen] = useState<RolloverTime>("now");
  const work = async () => {
    await operator.domain(domain).rollOver(when);
    say(TIMES[when].done);
  };
  return (
    <Dialog title="Roll over the key" action="Roll over" work={work} onClose={onClose}>
      <fieldset>
        <legend>When</legend>
        {(Object.keys(TIMES) as RolloverTime[]).map((each) => (
          <label key={each} class="choice">
            <input type="radio" name="when" checked={each === when} onChange={() => setWhen(each)} />
            <span>
              {TIMES[each].label}
              <span class="hint">{TIMES[each].hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </Dialog>
  );
}
