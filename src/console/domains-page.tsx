import { useState } from "preact/hooks";
import { Button, Field, Heading, PagedList } from "./components.tsx";
import { useConsole } from "./context.ts";
import { ListLag } from "./database-lag.tsx";
import { Dialog } from "./dialog.tsx";
import { type DomainOrder, DomainsTable, DomainsTableRow, inOrder } from "./domains-table.tsx";
import { usePages } from "./hooks.ts";
import { goTo } from "./routes.ts";

/** The domains, by name. */
export function DomainsPage({ prefix }: { prefix: string }) {
  const { operator, arrived } = useConsole();
  const [text, setText] = useState(prefix);
  const [creating, setCreating] = useState(false);
  const [order, setOrder] = useState<DomainOrder>("name");
  const list = usePages(() => operator.domains({ prefix }), [operator, prefix]);
  const search = (event: Event) => {
    event.preventDefault();
    goTo({ page: "domains", prefix: text.trim() });
  };
  return (
    <>
      <div class="title-row">
        <Heading level={1} arrived={arrived}>
          Domains
        </Heading>
        <Button kind="primary" needs="domains:write" onClick={() => setCreating(true)}>
          New domain…
        </Button>
      </div>
      <search>
        <form class="search" onSubmit={search}>
          <Field
            label="Name begins with"
            control={(attributes) => (
              <input
                {...attributes}
                type="search"
                autocomplete="off"
                spellcheck={false}
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            )}
          />
          <Button type="submit">Search</Button>
        </form>
      </search>
      <ListLag />
      <PagedList
        list={{ ...list, value: list.value && inOrder(list.value, order) }}
        label="Domains"
        frame={(rows) => (
          <DomainsTable order={order} onOrder={list.more ? null : setOrder}>
            {rows}
          </DomainsTable>
        )}
        empty={
          prefix === "" ? "There are no domains yet. The first device that joins one makes it." : "No matching domains."
        }
        item={(row) => <DomainsTableRow key={row.domain} {...row} />}
      />
      {creating && <NewDomain suggestion={prefix} onClose={() => setCreating(false)} />}
    </>
  );
}

function NewDomain({ suggestion, onClose }: { suggestion: string; onClose: () => void }) {
  const { operator, say } = useConsole();
  const [name, setName] = useState(suggestion);
  const create = async () => {
    const { domain } = await operator.domain(name.trim()).create();
    goTo({ page: "domain", domain, view: "settings" });
    say(`${domain} was created. Anyone may join it, until you set rules here.`);
  };
  return (
    <Dialog title="New domain" action="Create" fields={["domain"]} work={create} onClose={onClose}>
      {({ failure }) => (
        <Field
          label="Name"
          hint="1 to 128 characters out of A-Z a-z 0-9 . _ : @ ~ -, beginning and ending with a letter or digit."
          fault={failure?.fields.domain}
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
      )}
    </Dialog>
  );
}
