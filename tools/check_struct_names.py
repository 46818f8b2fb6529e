"""Looks for two types of one name in namespace tahr: the linker would take them for one (the one-definition rule).

Types in anonymous namespaces are private to their file and are left out.
Usage: check_struct_names.py [FOLDER], by default csrc.
"""

import collections
import pathlib
import re
import sys

SKIPPED = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)
OPENING = re.compile(r"(?:^|[\s>])(namespace|struct|class|union|enum(?:\s+class)?)(?:\s+([\w:]+))?[^(){};=]*$")


def types(text: str) -> list[tuple[str, int]]:
    """Qualified names of the types that a file defines with external linkage, each with its line."""
    text = SKIPPED.sub(lambda match: " " + "\n" * match[0].count("\n"), text)
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", text, flags=re.MULTILINE)
    found = []
    scopes: list[tuple[str, str]] = []  # (kind, name) of each open brace
    start = 0
    for match in re.finditer(r"[{};]", text):
        head, start = text[start : match.start()], match.end()
        if match[0] == "}":
            if scopes:
                scopes.pop()
        elif match[0] == "{":
            opening = OPENING.search(re.sub(r"template\s*<[^{}]*?>\s*(?=struct|class)", " ", head))
            kind, name = (opening[1], opening[2] or "") if opening else ("code", "")
            outside = all(scope == "namespace" and scoped for scope, scoped in scopes)
            specialized = "<" in head[opening.start(2) :] if opening and opening[2] else False
            if kind not in ("namespace", "code") and name and outside and not specialized:
                qualified = "::".join([scoped for _, scoped in scopes] + [name])
                found.append((qualified, text.count("\n", 0, match.start()) + 1))
            scopes.append((kind, name))
    return found


def main(folder: str) -> int:
    places = collections.defaultdict(list)
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix in (".h", ".cpp"):
            for name, line in types(path.read_text(encoding="utf-8")):
                places[name].append(f"{path}:{line}")
    twice = {name: where for name, where in places.items() if len(where) > 1}
    for name, where in twice.items():
        print(f"{name} is defined {len(where)} times: {', '.join(where)}. Rename all but one.")
    if not twice:
        print(f"type names: {len(places)} types, each defined once")
    return 1 if twice or not places else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "csrc"))
