import type { DomainRow } from "../operator/index.ts";

/** The meaning of the rollover flag: without an interval nothing postpones it. */
export function rolloverText({ rolloverIntervalSeconds }: DomainRow): string {
  return rolloverIntervalSeconds === 0 ? "Rollover due" : "Rollover required";
}

/** Labels of a domain's present status. */
export function Status(props: DomainRow) {
  const { keyVersion, keyRolloverRequired, authenticationRequired, authNamespace, deviceKeyRequired } = props;
  return (
    <ul class="labels" aria-label="Status">
      {keyVersion === 0 ? (
        <li class="label">No key yet</li>
      ) : keyRolloverRequired ? (
        <li
          class="label warning"
          title="A new key is required. A registration makes it once the rollover interval has passed."
        >
          {rolloverText(props)}
        </li>
      ) : (
        <li
          class="label good"
          title="The version of the key that licences are encrypted to. Each rollover makes the next."
        >
          Key {keyVersion}
        </li>
      )}
      {authenticationRequired && <li class="label">Token{authNamespace === null ? "" : `: ${authNamespace}`}</li>}
      {deviceKeyRequired && <li class="label">Signed only</li>}
    </ul>
  );
}
