"""A file as docs/protocol.md asks for, section "What to store, and when"."""

import json
import os


def replace(file, value):
    """Writes JSON so that it survives a power cut: the file is the old one or the new one, whole."""
    draft = file + ".new"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as text:
        json.dump(value, text)
        text.flush()
        os.fsync(text.fileno())
    os.replace(draft, file)
    folder = os.open(os.path.dirname(os.path.abspath(file)), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
