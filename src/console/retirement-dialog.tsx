import { useState } from "preact/hooks";
import type { DomainOverview, RetiredKeys } from "../operator/index.ts";
import { Field } from "./components.tsx";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { typedNumber } from "./typed-number.ts";

/** Which keys are retired: those up to a version, or those replaced so many days ago. */
type Criterion = "upTo" | "olderThanDays";

type Choice = Readonly<{ label: string; field: string; hint: string }>;

const CHOICES: Readonly<Record<Criterion, Choice>> = {
  olderThanDays: {
    label: "By age",
    field: "Days",
    hint: "Retires keys that were replaced at least so many days ago. 0: all keys but the newest.",
  },
  upTo: {
    label: "Up to a version",
    field: "Key version",
    hint: "A version below the present one brings keys back, except lost ones. 0: all of them.",
  },
};

/** Asks which keys are retired, and says what stops working by that. */
export function RetirementDialog({
  overview,
  onClose,
}: {
  overview: DomainOverview;
  onClose: (done: boolean) => void;
}) {
  const { operator, say } = useConsole();
  const { domain, retiredUpTo } = overview;
  const [by, setBy] = useState<Criterion>("olderThanDays");
  const [text, setText] = useState("");
  const value = typedNumber(text);
  const bringsBack = by === "upTo" && typeof value === "number" && value < retiredUpTo;
  const work = async () => {
    // The server refuses a value that is no number, and says what is wrong with it.
    const after = await operator.domain(domain).retireKeys({ [by]: value } as unknown as RetiredKeys);
    say(outcomeOf(retiredUpTo, after.retiredUpTo));
  };
  const choose = (chosen: Criterion) => {
    setBy(chosen);
    setText("");
  };
  return (
    <Dialog
      title="Retire old keys"
      action={bringsBack ? "Bring back" : "Retire"}
      danger={!bringsBack}
      fields={[by]}
      work={work}
      onClose={onClose}
    >
      {({ failure }) => (
        <>
          <fieldset>
            <legend>Which keys</legend>
            {(Object.keys(CHOICES) as Criterion[]).map((each) => (
              <label key={each} class="choice">
                <input type="radio" name="by" checked={each === by} onChange={() => choose(each)} />
                <span>{CHOICES[each].label}</span>
              </label>
            ))}
          </fieldset>
          <Field
            key={by}
            label={CHOICES[by].field}
            hint={CHOICES[by].hint}
            fault={failure?.fields[by]}
            control={(attributes) => (
              <input
                {...attributes}
                class="short"
                required
                inputMode="numeric"
                autocomplete="off"
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            )}
          />
          <div class="notice" aria-live="polite">
            {bringsBack ? <p>{keysAre(value + 1, retiredUpTo)} handed out again.</p> : <Consequences />}
          </div>
        </>
      )}
    </Dialog>
  );
}

function Consequences() {
  return (
    <>
      <p>
        <strong>What stops working:</strong> the server hands these keys out to nobody. A device that does not hold them
        cannot open what is encrypted to them.
      </p>
      <p>Devices that hold these keys keep them. The newest key stays in use.</p>
    </>
  );
}

/** The subject and the verb of a sentence about key versions. */
export function keysAre(from: number, to: number): string {
  return from === to ? `Key ${from} is` : `Keys ${from} to ${to} are`;
}

function outcomeOf(before: number, after: number): string {
  if (after > before) return `${keysAre(before + 1, after)} retired.`;
  if (after < before) return `${keysAre(after + 1, before)} handed out again.`;
  return "Nothing was changed: no other key is affected.";
}
