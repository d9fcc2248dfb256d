import { Dialog } from "./dialog.tsx";

/** Asks whether to leave a view that has unsaved changes. */
export function LeavingDialog({ onClose }: { onClose: (goes: boolean) => void }) {
  return (
    <Dialog title="Leave without saving?" action="Leave" danger work={async () => {}} onClose={onClose}>
      <p>Your changes to the settings are not saved yet, and will be lost.</p>
    </Dialog>
  );
}
