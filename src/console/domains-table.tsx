import type { ComponentChildren } from "preact";
import type { DomainRow } from "../operator/index.ts";
import { hashOf } from "./routes.ts";
import { Status } from "./status.tsx";
import { Time } from "./times.tsx";

/** The columns that domains can be put in order by, and which way at first. */
const ORDERS = {
  name: { title: "Name", compare: (a: DomainRow, b: DomainRow) => (a.domain < b.domain ? -1 : 1) },
  members: { title: "Members", compare: (a: DomainRow, b: DomainRow) => b.memberCount - a.memberCount },
  changed: { title: "Changed", compare: (a: DomainRow, b: DomainRow) => b.updatedAt.localeCompare(a.updatedAt) },
} as const;

/** A column that domains are in the order of. */
export type DomainOrder = keyof typeof ORDERS;

/** Domains in the order of a column: names from A, the most members and the latest changes first. */
export function inOrder(domains: readonly DomainRow[], order: DomainOrder): readonly DomainRow[] {
  return [...domains].sort(ORDERS[order].compare);
}

/**
 * Domains as a table.
 *
 * @param onOrder null while not all domains are there: the server has them by name
 */
export function DomainsTable(props: {
  order: DomainOrder;
  onOrder: ((order: DomainOrder) => void) | null;
  children: ComponentChildren;
}) {
  const { order, onOrder, children } = props;
  const head = (column: DomainOrder) => (
    <th
      scope="col"
      class={column}
      aria-sort={column === order ? (column === "name" ? "ascending" : "descending") : "none"}
    >
      <button
        type="button"
        class="sort"
        aria-disabled={!onOrder}
        title={onOrder ? undefined : "Show all domains first, by “More”."}
        onClick={() => onOrder?.(column)}
      >
        {ORDERS[column].title}
      </button>
    </th>
  );
  return (
    <table class="domains" aria-label="Domains">
      <thead>
        <tr>
          {head("name")}
          <th scope="col">State</th>
          {head("members")}
          {head("changed")}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** A domain in the table. */
export function DomainsTableRow(row: DomainRow) {
  const { domain, memberCount, maxMembership, updatedAt } = row;
  return (
    <tr>
      <th scope="row" class="name">
        <a href={hashOf({ page: "domain", domain, view: "overview" })} title={domain}>
          {domain}
        </a>
      </th>
      <td>
        <Status {...row} />
      </td>
      <td class="members">
        {memberCount.toLocaleString()}
        {maxMembership === null ? "" : ` of ${maxMembership.toLocaleString()}`}
      </td>
      <td class="changed">
        <Time at={updatedAt} />
      </td>
    </tr>
  );
}
