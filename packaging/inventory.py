#!/usr/bin/env python3
"""What is linked into the program, for the package's doc folder: `copyright` (DEP-5) and `twind.cdx.json` (an SBOM in
CycloneDX 1.5). Reads Cargo.lock and what `cargo metadata` tells; two runs on one commit write the same bytes.

Usage: packaging/inventory.py TRIPLE FOLDER          SOURCE_DATE_EPOCH: the commit's time
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

PROJECT = pathlib.Path(__file__).resolve().parent.parent
LICENCES = PROJECT / "packaging" / "licences"
# The licence's name in SPDX and in Debian.
NAMES = {"MIT": "Expat", "Apache-2.0": "Apache-2.0", "ISC": "ISC", "BSD-3-Clause": "BSD-3-Clause", "Zlib": "Zlib"}
# Alternatives that nobody needs where another one is offered.
SPARE = ["Apache-2.0 WITH LLVM-exception", "Unlicense", "0BSD", "BSL-1.0"]
NOTICE = re.compile(r"^\W*(Copyright (?:\([cC]\)|©|\d{4}|The [A-Z]|[A-Z][\w.]+ [A-Z]).*?)\s*(?:All rights reserved\.)?$")
PLACEHOLDER = re.compile(r"[\[{<](yyyy|year|name|owner)", re.I)


def linked(triple):
    """The packages whose code is in the program, and which of them needs which. Macros run in the compiler alone."""
    command = ["cargo", "metadata", "--quiet", "--format-version", "1", "--locked", "--filter-platform", triple]
    told = json.loads(subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    root = next(package["id"] for package in told["packages"] if package["name"] == "twind")
    needs, todo = {}, [root]
    while todo:
        one = todo.pop()
        if one in needs:
            continue
        found = [dep["pkg"] for dep in nodes[one]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        needs[one] = [dep for dep in found if packages[dep]["targets"][0]["kind"] != ["proc-macro"]]
        todo += needs[one]
    # A member of the workspace is a part of twind itself.
    for member in [one for one in needs if one != root and packages[one]["source"] is None]:
        own = needs.pop(member)
        needs[root] = [dep for dep in needs[root] if dep != member] + [dep for dep in own if dep not in needs[root]]
    order = sorted(needs, key=lambda one: (packages[one]["name"], packages[one]["version"]))
    return root, [packages[one] for one in order if one != root], packages, needs


def expression(package):
    """Its licence in SPDX's grammar; `/` is what crates wrote before it."""
    return package["license"].replace("/", " OR ")


def debian_licence(package):
    text = expression(package)
    if " AND " not in text:
        offered = [name for name in text.split(" OR ") if name not in SPARE]
        return " or ".join(NAMES[name] for name in offered)
    return " and ".join(NAMES[name] for name in text.split(" AND "))


def notices(package):
    """The copyright lines of its licence files, else its authors."""
    folder = pathlib.Path(package["manifest_path"]).parent
    lines = []
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name.upper().startswith(("LICEN", "COPYING", "COPYRIGHT", "NOTICE")):
            for line in file.read_text(errors="replace").splitlines():
                found = NOTICE.match(line)
                if found and not PLACEHOLDER.search(line):
                    lines.append(re.sub(r"^Copyright\s*(\([cC]\)|©)?\s*", "", found[1].strip()))
    nameless = re.compile(r"[\d\s,-]+")
    lines = [f"{line} its developers" if nameless.fullmatch(line) else line for line in dict.fromkeys(lines)]
    return lines or package["authors"] or ["its developers"]


def folded(text):
    """A text as the continuation of a field."""
    return "\n".join(f" {line}" if line.strip() else " ." for line in text.strip().splitlines())


def paragraph(files, holders, licence, comment=None):
    lines = [f"Files: {files}", "Copyright: " + "\n           ".join(holders), f"License: {licence}"]
    return "\n".join(lines + ([f"Comment: {comment}"] if comment else []))


def copyright_file(packages):
    parts = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: twind\n"
        "Comment: Below twind's own files stand the libraries whose code is linked into /usr/bin/twind.",
        paragraph("*", ["2026 The twind developers"], "Expat or Apache-2.0"),
        paragraph("rust-std/*", ["The Rust Project contributors"], "Expat or Apache-2.0", "Rust's standard library."),
    ]
    for package in packages:
        files = f"{package['name']}-{package['version']}/*"
        parts.append(paragraph(files, notices(package), debian_licence(package)))
    for spdx, debian in NAMES.items():
        if debian == "Apache-2.0":
            text = "On Debian systems the text is in /usr/share/common-licenses/Apache-2.0."
        else:
            text = (LICENCES / spdx).read_text()
            text = text[text.index("\n\n", text.rindex("Copyright (c)")) :] if spdx == "MIT" else text
        parts.append(f"License: {debian}\n{folded(text)}")
    return "\n\n".join(parts) + "\n"


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    told = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"]}
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        told["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    told["licenses"] = [{"expression": expression(package)}]
    told["purl"] = purl(package)
    return told


def sbom(root, packages, known, needs, seconds):
    lock = tomllib.loads((PROJECT / "Cargo.lock").read_text())
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}
    twind = known[root]
    subject = component(twind, checksums) | {"type": "application", "description": twind["description"]}
    time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    refs = [{"ref": purl(known[one]), "dependsOn": sorted({purl(known[dep]) for dep in needs[one]})} for one in needs]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": time, "component": subject},
        "components": [component(package, checksums) for package in packages],
        "dependencies": sorted(refs, key=lambda entry: entry["ref"]),
    }


def main():
    triple, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    root, packages, known, needs = linked(triple)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "copyright").write_text(copyright_file(packages))
    told = sbom(root, packages, known, needs, int(os.environ["SOURCE_DATE_EPOCH"]))
    (folder / "twind.cdx.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
