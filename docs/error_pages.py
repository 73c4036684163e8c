"""The page docs/errors.md, made from domain/error_catalog.py.

`python -m docs.error_pages` prints it; `--write` writes it.
"""

import sys

from domain.error_catalog import PATH, SECTIONS
from settings.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "errors.md"
HEAD = f"""# Error codes

Every error has a code that never changes, so programs branch on `code`; the wording of messages may change. Where it
appears:

- **HTTP**: refusals are problem documents (RFC 9457). `code` is the code, `type` its address on the gateway's own page
  (`{PATH}#not-found`), `detail` one sentence, `errors` the wrong fields.
- **Command**: with `--json` a failure is one document on stdout, `{{"error":{{"code","message"}}}}`.
  `rowline upload` adds `error` (the first) and `errors` (all) to its `documents`. Exit codes stay 1 (failed) and 2
  (misuse or configuration).
- **Event API**: `error` and the HTTP status, as the SDKs know them; it has no codes.
- **Rows** that could not be used have reasons of their own, in the status and in the error workbook.

This page is generated: `python -m docs.error_pages --write`.
"""


def error_page() -> str:
    """The whole page: a section for each subject, a paragraph with an anchor for each code."""
    lines = [HEAD]
    for section in SECTIONS:
        lines.append(f"## {section.title}\n")
        for code, entry in section.entries.items():
            lines.append(f"### {code}\n\n{entry.meaning}\n\n**What to do:** {entry.fix}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(error_page(), "utf-8")
    else:
        sys.stdout.write(error_page())
