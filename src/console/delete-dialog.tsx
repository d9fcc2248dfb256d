import { useState } from "preact/hooks";
import type { DomainOverview } from "../operator/index.ts";
import { Button, Field } from "./components.tsx";
import { useConsole } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { goTo } from "./routes.ts";

/** A button that asks whether the domain is to be deleted. */
export function DeleteDomain({ overview }: { overview: DomainOverview }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <div class="buttons">
        <Button kind="danger" needs="domains:write" onClick={() => setAsking(true)}>
          Delete the domain…
        </Button>
      </div>
      {asking && <DeleteDialog overview={overview} onClose={() => setAsking(false)} />}
    </>
  );
}

/** Says what goes with the domain, and asks for its name. What is typed goes to the server, which compares it. */
function DeleteDialog({ overview, onClose }: { overview: DomainOverview; onClose: () => void }) {
  const { operator, say, unsaved } = useConsole();
  const { domain, memberCount, keyVersion } = overview;
  const [name, setName] = useState("");
  const work = async () => {
    const { copied } = await operator.domain(domain).delete(name.trim());
    // Unsaved changes have nowhere to go any more.
    unsaved.current = false;
    goTo({ page: "domains", prefix: "" });
    say(`${domain} is deleted.${copied ? "" : " The list shows it until the database has that."}`);
  };
  return (
    <Dialog title="Delete the domain" action="Delete" danger fields={["confirm"]} work={work} onClose={onClose}>
      {({ failure }) => (
        <>
          <div class="notice">
            <p>
              <strong>Erased for good:</strong> {counted(memberCount, "member")}, {counted(keyVersion, "key")}, the
              bans, the settings and the log.
            </p>
            <p>Devices keep the keys they hold. Nobody gets them from the server any more.</p>
          </div>
          <Field
            label="Name of the domain"
            hint={`Type ${domain} to delete it.`}
            fault={failure?.fields.confirm === undefined ? undefined : `must be ${domain}`}
            control={(attributes) => (
              <input
                {...attributes}
                required
                autocomplete="off"
                autocapitalize="off"
                spellcheck={false}
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            )}
          />
        </>
      )}
    </Dialog>
  );
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
}
