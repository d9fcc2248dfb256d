import { useState } from "preact/hooks";
import type { DomainRow } from "./admin-types.ts";
import { useConsole } from "./context.ts";
import { ListLag } from "./database-lag.tsx";
import { Dialog } from "./dialog.tsx";
import { usePages } from "./loading.ts";
import { Button, Field, Heading, PagedList } from "./parts.tsx";
import { goTo, hashOf } from "./routes.ts";
import { Standing } from "./standing.tsx";
import { Time } from "./times.tsx";

/** The domains, by name. */
export function DomainsPage({ prefix }: { prefix: string }) {
  const { api, arrived } = useConsole();
  const [text, setText] = useState(prefix);
  const [creating, setCreating] = useState(false);
  const list = usePages((cursor, signal) => api.domains(prefix, cursor, signal), [api, prefix]);
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
        <Button kind="primary" onClick={() => setCreating(true)}>
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
        list={list}
        label="Domains"
        empty={
          prefix === "" ? "There are no domains yet. The first device that joins one makes it." : "No matching domains."
        }
        item={(row) => <Row key={row.domain} {...row} />}
      />
      {creating && <NewDomain suggestion={prefix} onClose={() => setCreating(false)} />}
    </>
  );
}

function Row(row: DomainRow) {
  const { domain, memberCount, maxMembership, updatedAt } = row;
  return (
    <li class="row domain-row">
      <a class="row-title name" href={hashOf({ page: "domain", domain, view: "overview" })}>
        {domain}
      </a>
      <Standing {...row} />
      <span>
        <strong>{memberCount}</strong>
        {maxMembership === null ? "" : ` of ${maxMembership}`} {memberCount === 1 ? "member" : "members"}
      </span>
      <span class="muted">
        changed <Time at={updatedAt} />
      </span>
    </li>
  );
}

function NewDomain({ suggestion, onClose }: { suggestion: string; onClose: () => void }) {
  const { api, say } = useConsole();
  const [name, setName] = useState(suggestion);
  const create = async () => {
    const { domain } = await api.createDomain(name.trim());
    goTo({ page: "domain", domain, view: "settings" });
    say(`${domain} was created. Anyone may join it, until you set rules here.`);
  };
  return (
    <Dialog title="New domain" action="Create" work={create} onClose={onClose}>
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
