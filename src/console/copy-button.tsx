import { useConsole } from "./context.ts";

/** A button that copies a text that is long to type. @param what what it is, for a screen reader: "the name" */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const { say } = useConsole();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied.");
    } catch {
      // A page without TLS may not, nor one that the user denied it.
      say(`The browser does not allow copying: ${text}`);
    }
  };
  return (
    <button type="button" class="copy" aria-label={`Copy ${what}`} title={`Copy ${what}`} onClick={copy}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" fill="none" stroke="currentColor">
        <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
        <path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" />
      </svg>
    </button>
  );
}
